// Keeps a run's picture, logs and notebook up to date while it runs.
const address = new URL(location);
if (address.searchParams.has('token')) {
  address.searchParams.delete('token');
  history.replaceState(null, '', address);
}
// The shape of address that clients take apart: #job/<job>/run/<run>.
const named = location.hash.match(/^#job\/\d+\/run\/(\d+)/);
if (named) location.replace(document.body.dataset.base + 'runs/' + named[1]);

const fit = frame => {
  const inner = frame.contentDocument;
  if (!inner || !inner.body) return;
  inner.querySelectorAll('iframe').forEach(fit);
  frame.style.height = Math.ceil(inner.body.getBoundingClientRect().bottom + 16) + 'px';
};
for (const frame of document.querySelectorAll('iframe')) {
  frame.addEventListener('load', () => fit(frame));
  fit(frame);
}

const live = document.querySelector('[data-live]');
const showText = text => {
  if (live.textContent === text) return;
  live.textContent = text;
  for (const frame of document.querySelectorAll('iframe')) frame.contentWindow.location.reload();
};
const showPicture = text => {
  const kept = [...live.querySelectorAll('.scroll')].map(box => [box.scrollLeft, box.scrollTop]);
  live.innerHTML = text;
  live.querySelectorAll('.scroll').forEach((box, i) => { if (kept[i]) [box.scrollLeft, box.scrollTop] = kept[i]; });
};
const tick = async () => {
  const answer = await fetch(live.dataset.live, { credentials: 'same-origin' }).catch(() => null);
  if (answer && answer.ok && !answer.redirected) {
    const text = await answer.text();
    live.dataset.kind === 'text' ? showText(text) : showPicture(text);
    if (answer.headers.get('X-Run-Final') === 'true') return location.reload();
  }
  setTimeout(tick, 1000);
};
if (live) setTimeout(tick, 500);
