"""A page whose cells a test runs."""


class Opened:
    """A page whose cells a test runs."""

    def __init__(self, page):
        self.page = page
        self.asked, self.wrong = [], []
        page.context.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on(
            "console", lambda said: self.wrong.append(said.text) if said.type == "error" else None
        )

    def cell(self, number):
        return self.page.locator(f'[data-code-cell="{number}"]')

    def outputs(self, number):
        return self.cell(number).locator("[data-outputs]")

    def write(self, number, source):
        self.page.evaluate(
            "([n, text]) => { document.querySelector(`[data-code-cell='${n}']`)"
            ".cell.source = text; }",
            [number, source],
        )

    @property
    def state(self):
        return self.page.evaluate("document.documentElement.dataset.python")

    def until(self, *states):
        """How long it takes decides nothing; two minutes end what would never end."""
        for _ in range(6000):
            if self.state in states:
                return self.state
            self.page.wait_for_timeout(20)
        raise AssertionError(f"never {states}: {self.state}")

    def press(self, number, does):
        self.cell(number).locator(f'[data-do="{does}"]').click()

    def ran(self, number):
        return int(self.cell(number).get_attribute("data-ran") or 0)

    def run(self, number, source=None):
        """The text that a cell shows after a run; a training of chapter 5 takes minutes."""
        if source is not None:
            self.write(number, source)
        before = self.ran(number)
        self.press(number, "run")
        for _ in range(60_000):
            if self.ran(number) > before:
                return self.outputs(number).inner_text()
            self.page.wait_for_timeout(10)
        raise AssertionError(f"cell {number} never ended: {self.state}")
