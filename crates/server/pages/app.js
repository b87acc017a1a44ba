// The ticket of a set-up link travels in the fragment, which never reaches a server: copy it into the form, then forget it.
const ticket = document.getElementById("ticket");
if (ticket && location.hash.length > 1) {
  ticket.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  document.getElementById("ticket-field").hidden = true;
}
// What went wrong is read out and seen first.
document.getElementById("problem")?.focus();
