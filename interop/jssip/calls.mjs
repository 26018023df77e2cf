/** JsSIP in Chromium registers at the gateway, calls and is called. */
import { DIRECT_RULES } from "../lib/direct.mjs";
import { testWebphones } from "../lib/webphones.mjs";
import { transferScenes } from "./transfers.mjs";

await testWebphones("jssip", "sipjs", transferScenes, { toml: DIRECT_RULES });
