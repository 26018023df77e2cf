/** Rules for calls whose media are not to touch the gateway: whoever calls `direct-bob` calls bob, `direct-alice` alice. */
export const DIRECT_RULES = ["bob", "alice"].map(user => `
[[rule]]
name = "${user}, directly"
when = { entry = "user", to = "direct-${user}" }
dial = "user:${user}"
media = "direct"
`).join("");
