import { connect } from "/patchcord.js";
const phone = await connect();
phone.on("incoming", call => call.answer());
const call = await phone.call("+15550107");
call.on("ended", end => console.log(end.cause, end.text));
