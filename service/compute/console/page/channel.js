// The address of the web socket is in the page's own: ?path=console/ws%3Ftoken%3D…, as pages
// of noVNC have it. Only a path of this very server is taken; what else stands there is not
// followed anywhere.
export function channel() {
  const path = new URLSearchParams(location.search).get("path") ?? "";
  const target = new URL("/" + path.replace(/^\/+/, ""), location.href);
  if (target.origin !== location.origin || !target.searchParams.get("token")) return null;
  target.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  return target.href;
}

// say shows how it stands; lost: nothing more will come.
export function say(text, lost = false) {
  const state = document.getElementById("state");
  state.textContent = text;
  state.classList.toggle("lost", lost);
}

export const refused = "This address is not valid (any more): ask for a new console.";
