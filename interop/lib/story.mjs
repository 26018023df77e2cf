/** What a page lived through, to be printed where a test fails: what it loaded, said and heard, and what it shows. */
const MOST_LINES = 120;
const LONGEST_LINE = 160;
/** How long a page may take to say what it shows; one that hangs never does. */
const ANSWER_MS = 3_000;

/** @returns {() => Promise<string>} tells the story so far */
export function storyOf(page) {
  const began = Date.now();
  const lines = [];
  const note = text => {
    lines.push(`+${Date.now() - began} ms ${text.replace(/\s+/g, " ").slice(0, LONGEST_LINE)}`);
    if (lines.length > MOST_LINES) lines.shift();
  };
  page.on("request", request => note(`${request.method()} ${request.url()}`));
  page.on("response", response => note(`${response.status()} ${response.url()}`));
  page.on("requestfailed", request => note(`FAILED ${request.url()}: ${request.failure()?.errorText}`));
  page.on("console", message => note(`console ${message.type()}: ${message.text()}`));
  page.on("pageerror", error => note(`error: ${error.message}`));
  page.on("crash", () => note("the page has crashed"));
  page.on("load", () => note("loaded"));
  page.on("websocket", socket => {
    note(`WebSocket ${socket.url()}`);
    socket.on("framesent", ({ payload }) => note(`→ ${payload}`));
    socket.on("framereceived", ({ payload }) => note(`← ${payload}`));
    socket.on("socketerror", error => note(`WebSocket error: ${error}`));
    socket.on("close", () => note("WebSocket closed"));
  });
  return async () => [...lines, `+${Date.now() - began} ms it shows ${await shown(page)}`].join("\n");
}

/** What the softphone shows: its words, and whether it asks who is there. */
async function shown(page) {
  const look = page.evaluate(() => {
    const words = id => document.getElementById(id)?.textContent;
    const isAsked = document.getElementById("sign-in")?.hidden === false;
    return { status: words("status"), note: words("note"), banner: words("banner-text"), isAsked, loaded: document.readyState };
  });
  let timer;
  const late = new Promise(resolve => {
    timer = setTimeout(resolve, ANSWER_MS, `nothing: it hangs, or is gone, after ${ANSWER_MS / 1000} s`);
  });
  const said = await Promise.race([look.then(JSON.stringify, error => error.message), late]);
  clearTimeout(timer);
  return said;
}
