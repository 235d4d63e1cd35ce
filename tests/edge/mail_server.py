"""A small SMTP server, which can also accept connections and say nothing."""

import socketserver
from threading import Event, Thread


class MailServer:
    """Listens on ``port``. While ``hangs``, it answers nothing; ``messages`` are those accepted."""

    def __init__(self):
        self.hangs, self.connected = True, Event()
        self.messages = []
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                outer.connected.set()
                if outer.hangs:
                    self.rfile.read()
                else:
                    outer.converse(self.rfile, self.wfile)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = Thread(target=self._server.serve_forever)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def converse(self, lines, answers):
        """Accept every message, as a tuple of the recipient and the lines of the message."""
        recipient = ""
        answers.write(b"220 here\r\n")
        for line in lines:
            word = line[:4].upper()
            if word == b"DATA":
                answers.write(b"354 go on\r\n")
                content = [each.decode() for each in iter(lines.readline, b".\r\n")]
                self.messages.append((recipient, "".join(content)))
            elif word == b"RCPT":
                recipient = line.decode().partition("<")[2].partition(">")[0]
            answers.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
            if word == b"QUIT":
                return
