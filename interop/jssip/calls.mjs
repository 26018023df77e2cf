/** JsSIP in Chromium registers at the gateway, calls and is called. */
import { testWebphones } from "../lib/webphones.mjs";
import { DIRECT_RULE, transferScenes } from "./transfers.mjs";

await testWebphones("jssip", "sipjs", transferScenes, { toml: DIRECT_RULE });
