/** The lists of microphones and speakers to choose from. */
import { $, desk } from "/desk.js";

export async function listDevices() {
  const { phone } = desk;
  const { microphones, speakers } = await phone.devices();
  fill($("microphone"), microphones, phone.microphone, "Microphone");
  fill($("speaker"), speakers, phone.speaker, "Speaker");
  $("speaker-row").hidden = !("setSinkId" in HTMLMediaElement.prototype) || !speakers.length;
}

function fill(select, devices, chosen, kind) {
  const options = devices.map((device, i) => new Option(device.label || `${kind} ${i + 1}`, device.deviceId));
  select.replaceChildren(new Option("System default", ""), ...options);
  select.value = devices.some(device => device.deviceId === chosen) ? chosen : "";
}
