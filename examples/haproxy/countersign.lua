-- Asks Countersign whether a request may pass, over HAProxy's own HTTP client (core.httpclient, from 2.5 on).
--
-- Knows what Countersign answers, and how HAProxy is told. Nothing passes but by a 204.

-- Where Countersign listens.
local ADDRESS = "http://127.0.0.1:8080"

-- How long an answer may take, in milliseconds.
local TIME_MAX_MS = 5000

-- What an application is told of who passed.
local IDENTITY = { "remote-user", "remote-groups", "remote-acr" }

-- What a client is told of why it did not pass.
local TOLD = {
    "location", "www-authenticate", "x-countersign-location", "retry-after", "content-type", "cache-control",
}

-- The client's own headers that the question is about.
local SHOWN = { "cookie", "authorization", "accept", "user-agent" }

-- All values of a header, in a list that begins with 1; HAProxy's begin with 0. None where there is no such header.
local function values(headers, name)
    local found = {}
    local list = headers[name]
    if list == nil then
        return nil
    end
    local index = 0
    while list[index] ~= nil do
        table.insert(found, list[index])
        index = index + 1
    end
    return found
end

-- The question about a request.
local function question(txn)
    local asked = {
        ["host"] = { txn.sf:req_fhdr("host") },
        ["x-forwarded-method"] = { txn.sf:method() },
        ["x-forwarded-proto"] = { txn.sf:req_fhdr("x-forwarded-proto") },
        ["x-forwarded-host"] = { txn.sf:req_fhdr("host") },
        ["x-forwarded-uri"] = { txn.sf:pathq() },
        ["x-forwarded-for"] = { txn.sf:src() },
    }
    local headers = txn.http:req_get_headers()
    for _, name in ipairs(SHOWN) do
        asked[name] = values(headers, name)
    end
    return asked
end

-- Ends the request with an answer, and never goes on to the application.
local function refuse(txn, status, from)
    local reply = txn:reply({ status = status })
    if from ~= nil then
        for _, name in ipairs(TOLD) do
            for _, value in ipairs(values(from.headers, name) or {}) do
                reply:add_header(name, value)
            end
        end
        reply:set_body(from.body or "")
    end
    txn:done(reply)
end

core.register_action("countersign", { "http-req" }, function(txn)
    local client = core.httpclient()
    local answer = client:get({
        url = ADDRESS .. "/forward-auth/redirect",
        headers = question(txn),
        timeout = TIME_MAX_MS,
    })
    if answer == nil or answer.status == nil or answer.headers == nil then
        return refuse(txn, 503, nil)
    end
    local known = { [302] = true, [400] = true, [401] = true, [403] = true, [503] = true }
    if answer.status ~= 204 then
        if known[answer.status] then
            return refuse(txn, answer.status, answer)
        end
        return refuse(txn, 503, nil)
    end
    for _, name in ipairs(IDENTITY) do
        local given = values(answer.headers, name)
        txn.http:req_del_header(name)
        if given ~= nil then
            txn.http:req_set_header(name, given[1])
        end
    end
end, 0)
