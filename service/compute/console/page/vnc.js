import RFB from "@novnc/novnc";
import { channel, refused, say } from "./channel.js";

const address = channel();
if (!address) {
  say(refused, true);
} else {
  let begun = false;
  const rfb = new RFB(document.getElementById("screen"), address, { shared: true, wsProtocols: ["binary"] });
  rfb.scaleViewport = true;
  rfb.background = "#000";
  rfb.addEventListener("connect", () => {
    begun = true;
    say("Connected");
    rfb.focus();
  });
  rfb.addEventListener("desktopname", (event) => {
    document.getElementById("name").textContent = event.detail.name;
  });
  rfb.addEventListener("disconnect", () => say(begun ? "The connection has ended." : refused, true));
  document.getElementById("keys").addEventListener("click", () => {
    rfb.sendCtrlAltDel();
    rfb.focus();
  });
}
