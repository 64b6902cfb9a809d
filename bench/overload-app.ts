// An app that can do eight things at once, each in 5 ms, and lets everything else wait in line without end: 1,600 calls a second at most.
import { createServer, type ServerResponse } from 'node:http';

const waiting: ServerResponse[] = [];
let busy = 0;

function next(): void {
  for (; busy < 8 && waiting.length > 0; busy++) {
    const response = waiting.shift() as ServerResponse;
    setTimeout(() => {
      busy--;
      response.end('done');
      next();
    }, 5);
  }
}

createServer((_request, response) => {
  waiting.push(response);
  next();
}).listen(Number(process.argv[2]), '127.0.0.1');
