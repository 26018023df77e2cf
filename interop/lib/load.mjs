/** Pages that are loaded whole. */
const CHANGED = "ERR_NETWORK_CHANGED";
const MOST_ATTEMPTS = 10;

/**
 * Loads a page, and again where Chromium has dropped a file of it because an interface of the machine came or went.
 * @param page @param {() => Promise<unknown>} load what loads it
 */
export async function loadWhole(page, load) {
  for (let attempt = 1; attempt <= MOST_ATTEMPTS; attempt += 1) {
    let isWhole = true;
    const note = request => {
      if (request.failure()?.errorText.includes(CHANGED)) isWhole = false;
    };
    page.on("requestfailed", note);
    try {
      await load();
    } catch (error) {
      if (!error.message.includes(CHANGED)) throw error;
      isWhole = false;
    } finally {
      page.off("requestfailed", note);
    }
    if (isWhole) return;
  }
  throw new Error(`the network changed in each of ${MOST_ATTEMPTS} attempts to load the page`);
}
