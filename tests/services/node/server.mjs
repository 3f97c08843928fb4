// One thread, many requests at a time: KIND PORT BACKEND-PORT [CERTIFICATE-AND-KEY], where KIND is http, https, h2c or h2.
import http from "node:http";
import https from "node:https";
import http2 from "node:http2";
import { readFileSync } from "node:fs";

const [kind, port, backend, certificate] = process.argv.slice(2);

function parse(target) {
  const parts = target.split("?")[0].replace(/^\/(via\/)?/, "").split("/");
  if (parts.length < 3) return { status: 404, size: 2, wait: 0 };
  const chunked = parts[1].startsWith("c");
  return { status: +parts[0], size: +parts[1].replace("c", ""), chunked, wait: +(parts[3] ?? 0) };
}

function answer(request, response) {
  const { status, size, chunked, wait } = parse(request.url);
  const respond = () => {
    response.writeHead(status, chunked ? {} : { "content-length": size });
    if (!chunked) return response.end("x".repeat(size));
    for (let left = size; left > 0; left -= 1000) response.write("x".repeat(Math.min(left, 1000)));
    response.end();
  };
  const call = () => {
    const url = `http://127.0.0.1:${backend}${request.url.slice(4)}-inner`;
    http.get(url, (inner) => inner.resume().on("end", respond));
  };
  request.resume().on("end", () => {
    const next = request.url.startsWith("/via/") ? call : respond;
    wait ? setTimeout(next, wait) : next();
  });
}

const tls = certificate ? { cert: readFileSync(certificate), key: readFileSync(certificate), allowHTTP1: true } : {};
const server = {
  http: () => http.createServer(answer),
  https: () => https.createServer(tls, answer),
  h2c: () => http2.createServer(answer),
  h2: () => http2.createSecureServer(tls, answer),
}[kind]();
server.listen(+port, "127.0.0.1", 512);
