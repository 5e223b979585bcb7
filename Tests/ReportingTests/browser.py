"""Opens a page in headless Chromium and does to it what a reader would.

    browser.py PAGE < actions.json > record.json

Speaks the DevTools protocol over a pipe, so it needs nothing but Python. `actions` is a list of
  {"evaluate": JS}            value of an expression (promises are awaited)
  {"move": [x, y]}            mouse to a pixel of the viewport
  {"click": [x, y]}
  {"drag": [[x, y], ...]}     button down at the first, up at the last
  {"key": NAME}               "ArrowRight", "+", ...
  {"size": [width, height]}   of the viewport
  {"scheme": "dark"|"light"}  what the system prefers
  {"media": "print"|"screen"} as on paper, without making sheets
  {"screenshot": PATH}        of the whole page, {"viewport": PATH} of what is in view
  {"pdf": PATH}
  {"download": NAME}          waits until the file of that name is whole
After the page has loaded and after each action, four frames pass before the next: what an event
asks to be drawn is drawn then, however busy the machine is.
The record holds the values in order, everything the console and the policy said, every request
beyond the page itself, and the files that were downloaded.
"""

import base64
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path


class Browser:
    def __init__(self, profile):
        to_browser, ours = os.pipe()
        theirs, from_browser = os.pipe()
        self.write_end, self.read_end = ours, theirs
        self.buffer = b""
        self.last = 0
        self.events = []

        def place():
            # The protocol's pipe is file descriptors 3 and 4.
            a, b = os.dup(to_browser), os.dup(from_browser)
            os.dup2(a, 3)
            os.dup2(b, 4)

        self.process = subprocess.Popen(
            [
                os.environ.get("CHROMIUM", "chromium"), "--headless", "--no-sandbox",
                "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                "--hide-scrollbars", "--remote-debugging-pipe", f"--user-data-dir={profile}",
                "about:blank",
            ],
            preexec_fn=place, close_fds=False, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)

    def receive(self, seconds):
        end = time.monotonic() + seconds
        while b"\0" not in self.buffer:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.read_end], [], [], left)[0]:
                return None
            data = os.read(self.read_end, 1 << 20)
            if not data:
                raise RuntimeError("the browser went away")
            self.buffer += data
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, session=None, **parameters):
        self.last += 1
        message = {"id": self.last, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        write_all(self.write_end, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + 120
        while True:
            answer = self.receive(end - time.monotonic())
            if answer is None:
                raise RuntimeError(f"no answer to {method}")
            if answer.get("id") == self.last:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def drain(self, seconds=0.05):
        while (event := self.receive(seconds)) is not None:
            self.events.append(event)

    def wait(self, name, seconds=60, **parameters):
        """Until an event of that name with those parameters has come; its parameters."""
        end = time.monotonic() + seconds
        while True:
            for event in self.events:
                said = event.get("params", {})
                if event.get("method") == name and parameters.items() <= said.items():
                    return said
            event = self.receive(end - time.monotonic())
            if event is None:
                raise RuntimeError(f"{name} {parameters} did not happen")
            self.events.append(event)


def write_all(descriptor, data):
    while data:
        data = data[os.write(descriptor, data):]


def main():
    page = Path(sys.argv[1]).resolve().as_uri()
    actions = json.load(sys.stdin)
    values = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        browser = Browser(folder + "/profile")
        try:
            target = browser.call("Target.createTarget", url="about:blank")["targetId"]
            session = browser.call(
                "Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

            def page_call(method, **parameters):
                return browser.call(method, session, **parameters)

            downloads = Path(folder, "downloads")
            downloads.mkdir()
            browser.call(
                "Browser.setDownloadBehavior", behavior="allow", downloadPath=str(downloads),
                eventsEnabled=True)
            for domain in ("Page", "Runtime", "Log", "Network"):
                page_call(domain + ".enable")
            set_size(page_call, 1280, 900)
            page_call("Page.navigate", url=page)
            browser.wait("Page.loadEventFired")
            settle(page_call)
            for action in actions:
                if "download" in action:
                    file = browser.wait(
                        "Browser.downloadWillBegin", suggestedFilename=action["download"])
                    browser.wait("Browser.downloadProgress", guid=file["guid"], state="completed")
                    values.append(None)
                else:
                    values.append(perform(page_call, action))
                    settle(page_call)
                browser.drain()
            files = {
                f.name: base64.b64encode(f.read_bytes()).decode()
                for f in sorted(downloads.iterdir())
            }
        finally:
            browser.process.kill()
            browser.process.wait()
    json.dump(
        {
            "values": values,
            "console": console(browser.events),
            "requests": requests(browser.events, page),
            "files": files,
        },
        sys.stdout)


def settle(call):
    """Four frames: one lays out, what observes it asks for a second, which draws."""
    call(
        "Runtime.evaluate", awaitPromise=True, expression="""
        new Promise(done => {
          let left = 4;
          const frame = () => --left ? requestAnimationFrame(frame) : done();
          requestAnimationFrame(frame);
        })""")


def set_size(call, width, height):
    call(
        "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
        mobile=False)


def mouse(call, kind, point, buttons=0):
    call(
        "Input.dispatchMouseEvent", type=kind, x=point[0], y=point[1],
        button="left" if buttons or kind == "mouseReleased" else "none", buttons=buttons,
        clickCount=0 if kind == "mouseMoved" else 1)


def perform(call, action):
    (kind, value), = action.items()
    if kind == "evaluate":
        answer = call(
            "Runtime.evaluate", expression=value, returnByValue=True, awaitPromise=True,
            userGesture=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{value}: {answer['exceptionDetails']}")
        return answer["result"].get("value")
    if kind == "move":
        mouse(call, "mouseMoved", value)
    elif kind in ("click", "drag"):
        path = [value, value] if kind == "click" else value
        mouse(call, "mouseMoved", path[0])
        mouse(call, "mousePressed", path[0], 1)
        for point in path[1:]:
            mouse(call, "mouseMoved", point, 1)
        mouse(call, "mouseReleased", path[-1])
    elif kind == "key":
        text = value if len(value) == 1 else ""
        call("Input.dispatchKeyEvent", type="keyDown", key=value, text=text)
        call("Input.dispatchKeyEvent", type="keyUp", key=value)
    elif kind == "size":
        set_size(call, *value)
    elif kind == "scheme":
        call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": value}])
    elif kind == "media":
        call("Emulation.setEmulatedMedia", media=value)
    elif kind in ("screenshot", "viewport"):
        shot = call("Page.captureScreenshot", captureBeyondViewport=kind == "screenshot")
        Path(value).write_bytes(base64.b64decode(shot["data"]))
    elif kind == "pdf":
        sheet = call("Page.printToPDF", printBackground=True, preferCSSPageSize=True)
        Path(value).write_bytes(base64.b64decode(sheet["data"]))
    else:
        raise RuntimeError(f"unknown action {kind}")
    return None


def console(events):
    said = []
    for event in events:
        method, parameters = event.get("method"), event.get("params", {})
        if method == "Runtime.consoleAPICalled":
            said.append("console: " + json.dumps(parameters["args"]))
        elif method == "Runtime.exceptionThrown":
            said.append("exception: " + json.dumps(parameters["exceptionDetails"]))
        elif method == "Log.entryAdded":
            said.append("log: " + parameters["entry"]["text"])
    return said


def requests(events, page):
    sent = [
        e["params"]["request"]["url"] for e in events
        if e.get("method") == "Network.requestWillBeSent"
    ]
    return [url for url in sent if url != page and not url.startswith(("blob:", "about:"))]


main()
