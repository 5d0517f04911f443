import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";
import { channel, refused, say } from "./channel.js";

const address = channel();
if (!address) {
  say(refused, true);
} else {
  const terminal = new Terminal({ cursorBlink: true, scrollback: 5000 });
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  terminal.open(document.getElementById("screen"));
  fit.fit();
  addEventListener("resize", () => fit.fit());

  let begun = false;
  const socket = new WebSocket(address, ["binary"]);
  socket.binaryType = "arraybuffer";
  socket.addEventListener("open", () => {
    begun = true;
    say("Connected");
    terminal.focus();
  });
  socket.addEventListener("message", (event) => terminal.write(new Uint8Array(event.data)));
  socket.addEventListener("close", () => say(begun ? "The connection has ended." : refused, true));
  terminal.onData((text) => {
    if (socket.readyState === WebSocket.OPEN) socket.send(new TextEncoder().encode(text));
  });
}
