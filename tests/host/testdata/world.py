# A world behind an uplink: it answers questions of DNS (RFC 1035) for *.test.example and writes them down, and serves one page by HTTP and TLS.
import http.server, socket, ssl, threading

ADDRESSES = {"inner.test.example": "10.9.9.9", "host.test.example": "93.184.216.2", "near.test.example": "93.184.216.1"}


def names():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("1.1.1.1", 53))  # an answer comes from where the question went
    while True:
        q, who = s.recvfrom(512)
        labels, at = [], 12
        while q[at]:
            labels.append(q[at + 1 : at + 1 + q[at]].decode(errors="replace").lower())
            at += 1 + q[at]
        name, kind = ".".join(labels), q[at + 1 : at + 3]
        with open("asked", "a") as f:
            print(name, file=f)
        question, found = q[12 : at + 5], name.endswith(".test.example")
        answer = b""
        if found and kind == b"\0\1":
            answer = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + socket.inet_aton(ADDRESSES.get(name, "93.184.217.9"))
        flags = b"\x81\x80" if found else b"\x81\x83"
        s.sendto(q[:2] + flags + b"\0\1" + (b"\0\1" if answer else b"\0\0") + b"\0\0\0\0" + question + answer, who)


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"world\n")

    def log_message(self, *args):
        pass


def pages(port, context=None):
    server = http.server.ThreadingHTTPServer(("0.0.0.0", port), Page)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("cert.pem", "key.pem")
for work in (names, lambda: pages(80), lambda: pages(8080)):
    threading.Thread(target=work, daemon=True).start()
pages(443, context)
