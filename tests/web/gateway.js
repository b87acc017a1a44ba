// A gateway of text messages that keeps what it is posted.
// Knows: as much of HTTP as one sender needs. Must never know: who sends.

import { createServer } from "node:http";

export class Gateway {
  static async listen() {
    const gateway = new Gateway();
    gateway.messages = [];
    gateway.waiting = [];
    gateway.server = createServer(async (request, response) => {
      let body = "";
      for await (const part of request) body += part;
      gateway.take(JSON.parse(body));
      response.writeHead(204).end();
    });
    await new Promise((resolve) => gateway.server.listen(0, "127.0.0.1", resolve));
    gateway.url = `http://127.0.0.1:${gateway.server.address().port}/messages`;
    return gateway;
  }

  take(message) {
    const wanted = this.waiting.shift();
    if (wanted) wanted(message);
    else this.messages.push(message);
  }

  /// The digits of the next message, whenever it comes.
  async code() {
    const kept = this.messages.shift();
    const message = kept ?? await new Promise((resolve) => this.waiting.push(resolve));
    return /^\d+/.exec(message.text)[0];
  }

  stop() {
    this.server.close();
    this.server.closeAllConnections();
  }
}
