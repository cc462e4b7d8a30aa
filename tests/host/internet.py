# What is behind a test host's uplink: every name is 8.8.8.8, and port 80 of every address says so.
import http.server, socket, struct, threading

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"internet\n")
    def log_message(self, *_):
        pass

def names():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("1.1.1.1", 53))
    while True:
        q, who = s.recvfrom(1500)
        end = q.index(b"\0", 12) + 5
        answers = 1 if q[end - 4:end - 2] == b"\0\1" else 0
        a = q[:2] + b"\x81\x80\0\1" + struct.pack(">H", answers) + b"\0\0\0\0" + q[12:end]
        if answers:
            a += b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x08\x08\x08\x08"
        s.sendto(a, who)

threading.Thread(target=names, daemon=True).start()
server = http.server.ThreadingHTTPServer(("0.0.0.0", 80), Answer)
print("ready", flush=True)
server.serve_forever()
