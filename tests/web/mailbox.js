// A mail server that keeps what it is handed.
// Knows: as much of RFC 5321 as one sender needs. Must never know: who sends.

import { createServer } from "node:net";
import { createInterface } from "node:readline";

export class Mailbox {
  static async listen() {
    const mailbox = new Mailbox();
    mailbox.mails = [];
    mailbox.waiting = [];
    mailbox.server = createServer((socket) => mailbox.talk(socket));
    await new Promise((resolve) => mailbox.server.listen(0, "127.0.0.1", resolve));
    mailbox.url = `smtp://127.0.0.1:${mailbox.server.address().port}`;
    return mailbox;
  }

  talk(socket) {
    let mail = null;
    const say = (line) => socket.write(`${line}\r\n`);
    socket.on("error", () => socket.destroy());
    say("220 mailbox");
    const lines = createInterface({ input: socket });
    // A sender that hangs up in the middle has sent nothing; the lines tell of it as the socket does.
    lines.on("error", () => socket.destroy());
    lines.on("line", (line) => {
      if (mail !== null && line === ".") {
        this.take(mail.join("\n"));
        mail = null;
        say("250 kept");
      } else if (mail !== null) {
        mail.push(line);
      } else if (/^DATA/i.test(line)) {
        mail = [];
        say("354 go on");
      } else if (/^QUIT/i.test(line)) {
        socket.end("221 bye\r\n");
      } else {
        say("250 ok");
      }
    });
  }

  take(mail) {
    const wanted = this.waiting.shift();
    if (wanted) wanted(mail);
    else this.mails.push(mail);
  }

  /// The next mail, whenever it comes.
  next() {
    const mail = this.mails.shift();
    return mail === undefined ? new Promise((resolve) => this.waiting.push(resolve)) : Promise.resolve(mail);
  }

  /// The next mailed code.
  async code() {
    for (;;) {
      const found = /^\s*([0-9A-Z]{5}-[0-9A-Z]{5})\s*$/mi.exec((await this.next()).replaceAll("=\n", ""));
      if (found) return found[1];
    }
  }

  stop() {
    this.server.close();
    this.server.closeAllConnections?.();
  }
}
