/** SIP.js in Chromium registers at the gateway, calls and is called. */
import { testWebphones } from "../lib/webphones.mjs";

await testWebphones("sipjs", "jssip");
