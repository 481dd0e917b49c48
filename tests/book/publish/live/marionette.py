"""Firefox, driven by what it brings itself: Marionette, lists in JSON through a socket."""

import json
import os
import socket
import subprocess
import time

NOWHERE = 9  # no program listens at this port
PREFERENCES = {
    "marionette.port": 0,  # Firefox chooses one, and writes it into its profile
    "network.proxy.type": 1,
    "network.proxy.allow_hijacking_localhost": True,
    **{f"network.proxy.{kind}": "127.0.0.1" for kind in ("http", "ssl", "socks")},
    **{f"network.proxy.{kind}_port": NOWHERE for kind in ("http", "ssl", "socks")},
}
# What pages and their workers ask beyond the machine. The browser's own requests do not count.
LISTEN = """
window.asked = [];
Services.obs.addObserver((channel) => {
  const { loadingPrincipal: by } = channel.QueryInterface(Ci.nsIChannel).loadInfo;
  if (!by?.isSystemPrincipal) window.asked.push(channel.URI.spec);
}, "http-on-opening-request");
"""
ERRORS = """
return Services.console.getMessageArray()
  .filter((one) => one instanceof Ci.nsIScriptError && !(one.flags & Ci.nsIScriptError.warningFlag))
  .filter(({ sourceName }) => /^(file|blob):/.test(sourceName))
  .map(({ errorMessage, sourceName, lineNumber }) => `${errorMessage} ${sourceName}:${lineNumber}`);
"""


class Firefox:
    """A headless Firefox with an empty profile in `folder`, whose every request ends at once."""

    def __init__(self, program, folder):
        lines = (f"user_pref({json.dumps(k)}, {json.dumps(v)});\n" for k, v in PREFERENCES.items())
        (folder / "user.js").write_text("".join(lines))
        command = [program, "--headless", "--no-remote", "--profile", folder]
        self.process = subprocess.Popen(
            [*command, "--marionette", "--remote-allow-system-access"],
            env=os.environ | {"HOME": str(folder)},  # it refuses one of somebody else
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.socket = None
        try:
            self._connect(folder / "MarionetteActivePort")
        except BaseException:
            self.close()
            raise

    def _connect(self, port):
        for _ in range(600):
            if port.is_file() and port.read_text():
                break
            if self.process.poll() is not None:
                raise RuntimeError(f"Firefox ended at once: {self.process.returncode}")
            time.sleep(0.1)
        self.socket = socket.create_connection(("127.0.0.1", int(port.read_text())), timeout=300)
        self._read()  # it greets
        self.send("WebDriver:NewSession")
        self._privileged(LISTEN)

    def _read(self):
        """A message is its length, a colon, and JSON."""
        size = b""
        while not size.endswith(b":"):
            size += self._bytes(1)
        return json.loads(self._bytes(int(size[:-1])))

    def _bytes(self, count):
        got = b""
        while len(got) < count:
            more = self.socket.recv(count - len(got))
            if not more:
                raise RuntimeError("Firefox has closed the connection.")
            got += more
        return got

    def send(self, command, **parameters):
        """What Firefox answers to a command."""
        text = json.dumps([0, 1, command, parameters]).encode()
        self.socket.sendall(b"%d:%s" % (len(text), text))
        _, _, error, result = self._read()
        if error:
            raise RuntimeError(f"{command}: {error['error']}: {error['message']}")
        return result.get("value") if isinstance(result, dict) else result

    def evaluate(self, script, *arguments):
        """What the body of a function returns in the page; it gets `arguments`."""
        # Without `sandbox: None` the page's own properties of an element could not be seen.
        return self.send("WebDriver:ExecuteScript", script=script, args=arguments, sandbox=None)

    def _privileged(self, script):
        self.send("Marionette:SetContext", value="chrome")
        try:
            return self.send("WebDriver:ExecuteScript", script=script, args=[], sandbox="system")
        finally:
            self.send("Marionette:SetContext", value="content")

    @property
    def wrong(self):
        """The errors of all pages so far."""
        return self._privileged(ERRORS)

    @property
    def asked(self):
        """The addresses beyond the machine that pages have asked for."""
        return self._privileged("return window.asked;")

    def open(self, address):
        self.send("WebDriver:Navigate", url=address)

    def click(self, selector):
        """Press the element as a mouse does, in the middle of the window: nothing lies over it."""
        middle = "document.querySelector(arguments[0]).scrollIntoView({ block: 'center' });"
        self.evaluate(middle, selector)
        self.send("WebDriver:ElementClick", id=self._element(selector))

    def type(self, selector, text):
        """Press keys, as WebDriver writes them, in an element."""
        self.send("WebDriver:ElementSendKeys", id=self._element(selector), text=text)

    def _element(self, selector):
        found = self.send("WebDriver:FindElement", using="css selector", value=selector)
        (element,) = found.values()
        return element

    def close(self):
        if self.socket:
            self.socket.close()
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
