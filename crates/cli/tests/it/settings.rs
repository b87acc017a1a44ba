//! The settings as an operator meets them: every mistake at once, and one order of precedence.

use serde_json::{Value, json};

use crate::world::{Folder, Person, Server, countersign};

#[test]
fn check_names_every_mistake_at_once_and_a_server_refuses_to_start() {
    let folder = Folder::fresh();
    let file = folder.0.join("settings.toml");
    std::fs::write(&file, "lissen = \"x\"\nwindow = 3\nsession_s = 5\n").expect("it can be written");
    let config = file.to_str().expect("UTF-8");
    let data = folder.data();
    let data = data.to_str().expect("UTF-8");
    for command in ["check", "serve"] {
        let ended = countersign(
            &[command, "--config", config, "--data", data, "--tls", "maybe"],
            "",
        );
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""));
        for expected in [
            "lissen (file)",
            "`listen`",
            "session_s (file)",
            "tls (flag)",
            "own, files, off",
        ] {
            assert!(ended.stderr.contains(expected), "{expected}: {}", ended.stderr);
        }
    }
    assert!(!folder.data().exists(), "nothing was made");
    std::fs::write(&file, "window = 3\n").expect("it can be written");
    let ended = countersign(&["user", "list", "--config", config, "--data", data], "");
    assert_eq!(ended.code, 2);
    assert!(
        ended.stderr.contains("production accepts at most 1"),
        "{}",
        ended.stderr
    );
}

#[test]
fn file_in_the_data_folder_is_found_and_a_flag_goes_before_it() {
    let folder = Folder::fresh();
    let data = folder.data();
    let text = data.to_str().expect("UTF-8");
    assert_eq!(countersign(&["user", "list", "--data", text], "").code, 0);
    let kept =
        "public_url = \"https://id.example.org/\"\ntls = \"files\"\ntls_chain = \"a\"\ntls_key = \"b\"\n";
    std::fs::write(data.join("countersign.toml"), kept).expect("it can be written");
    let check = |options: &[&str]| {
        let ended = countersign(&[&["check", "--json", "--data", text], options].concat(), "");
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        serde_json::from_str::<Value>(&ended.stdout).expect("JSON")
    };
    assert_eq!(check(&[])["tls"], json!({ "value": "files", "given": "file" }));
    assert_eq!(
        check(&["--node", "b"])["node"],
        json!({ "value": "b", "given": "flag" })
    );
    assert_eq!(
        check(&[])["session_s"],
        json!({ "value": "3600", "given": "default" })
    );
    assert_eq!(
        check(&[])["log"],
        json!({ "value": "trace", "given": "environment" })
    );

    std::fs::write(
        data.join("countersign.toml"),
        "public_url = \"https://id.example.org/\"\n",
    )
    .expect("it can be written");
    let server = Server::start(&data);
    let link = countersign(&["setup-link", "--json", "--data", text], "").stdout;
    let link: Value = serde_json::from_str(&link).expect("JSON");
    let begin = "https://id.example.org/setup#";
    assert!(
        link["link"].as_str().is_some_and(|link| link.starts_with(begin)),
        "{link}"
    );
    server.stop();
}

#[test]
fn ring_is_kept_where_it_is_set_to_be() {
    let folder = Folder::fresh();
    let data = folder.data();
    let text = data.to_str().expect("UTF-8");
    let ring = folder.0.join("ring");
    let ring_text = ring.to_str().expect("UTF-8");
    let server = Server::start_with(&data, &["--tls", "off", "--keys-file", ring_text]);
    assert!(ring.exists() && !data.join("keys/ring").exists());
    let rotated = countersign(&["key", "rotate", "--data", text], "");
    assert_eq!(
        rotated.code, 0,
        "the running server knows its ring: {}",
        rotated.stderr
    );
    let kept = std::fs::read_to_string(&ring).expect("the ring is there");
    assert_eq!(kept.matches("\nseal ").count(), 2);
    server.stop();
    let ended = countersign(&["user", "list", "--data", text], "");
    assert_eq!(ended.code, 3, "without the setting there is no ring");
    assert!(ended.stderr.contains("no key ring"), "{}", ended.stderr);
}

#[test]
fn development_profile_is_said_at_the_start_and_in_every_answer() {
    for (profile, expected) in [("development", Some("development")), ("production", None)] {
        let folder = Folder::fresh();
        let options = ["--tls", "off", "--profile", profile];
        let server = Server::start_with(&folder.data(), &options);
        for path in ["/healthz", "/sign-in", "/nowhere"] {
            let answered = ureq::config::Config::builder()
                .http_status_as_error(false)
                .build()
                .new_agent()
                .get(format!("{}{path}", server.url))
                .call()
                .expect("the server answers");
            let said = answered.headers().get("x-countersign-profile");
            let said = said.map(|value| value.to_str().expect("ASCII"));
            assert_eq!(said, expected, "{path} under {profile}");
        }
        let log = server.stop();
        assert_eq!(log.contains("protects nobody"), expected.is_some());
    }
}

#[test]
fn codes_for_trying_out_are_refused_by_production_also_later_on_the_same_folder() {
    let folder = Folder::fresh();
    let data = folder.data();
    let text = data.to_str().expect("UTF-8");
    let production = Folder::fresh();
    Person::add(&production.data(), "alice");
    let server = Server::start(&production.data());
    assert_eq!(server.verify(&server.login("alice"), "000000").0, 401);
    server.stop();
    for wrong in ["false", "0", "no", "off", "ture"] {
        let ended = countersign(&["check", "--totp-enabled", wrong], "");
        assert_eq!(ended.code, 2, "{wrong}");
        assert!(
            ended.stderr.contains("production verifies codes"),
            "{}",
            ended.stderr
        );
    }
    for right in ["true", "1", "YES", "on"] {
        assert_eq!(
            countersign(&["check", "--totp-enabled", right], "").code,
            0,
            "{right}"
        );
    }
    let skipping = countersign(&["check", "--dev-skip-elevation", "true"], "");
    assert!(
        skipping.stderr.contains("production skips no elevation"),
        "{}",
        skipping.stderr
    );

    let options = ["--profile", "development", "--second-factor", "required"];
    let environment = [("TOTP_ENABLED", "false")];
    let server = Server::start_at("127.0.0.1:0", &data, &options, &environment);
    let person = Person::add(&data, "alice");
    for _ in 0..2 {
        assert_eq!(
            server.verify(&server.login(&person.name), "777777").0,
            200,
            "it alone works again"
        );
    }
    assert_eq!(server.verify(&server.login(&person.name), "123456").0, 401);
    server.stop();
    let ended = countersign(&["user", "list", "--data", text], "");
    assert_ne!(ended.code, 0);
    assert!(
        ended.stderr.contains("begin with an empty data folder"),
        "{}",
        ended.stderr
    );
}
