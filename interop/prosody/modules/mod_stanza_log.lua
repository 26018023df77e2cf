-- Writes every stanza that a client sends (C>S) or is sent (S>C), one line each: direction, JID of the session, XML.
local filters = require "util.filters";
local file = assert(io.open(module:get_option_string("stanza_log"), "a"));
file:setvbuf("line");

local function note(direction)
	return function (stanza, session)
		if session.full_jid and type(stanza) == "table" and stanza.name then
			file:write(direction, " ", session.full_jid, " ", (tostring(stanza):gsub("[\r\n]", "&#10;")), "\n");
		end
		return stanza;
	end
end

filters.add_filter_hook(function (session)
	filters.add_filter(session, "stanzas/in", note("C>S"), 100);
	filters.add_filter(session, "stanzas/out", note("S>C"), -100);
end);
