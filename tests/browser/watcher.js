// Looks at every painted frame that shows something else than the one before: a word that is doubled, out of place, or
// taken back for one frame only is a fault.
(() => {
  const words = (message) => {
    const found = [];
    for (const part of message.querySelectorAll('.jdc-text')) {
      const walker = document.createTreeWalker(part, NodeFilter.SHOW_TEXT);
      while (walker.nextNode()) found.push(...walker.currentNode.data.split(/\s+/).filter(Boolean));
    }
    return found;
  };
  const faults = [];
  const shown = new Map();
  const look = () => {
    for (const message of document.querySelectorAll('[data-session] [data-role="assistant"][data-message-id]')) {
      const found = words(message);
      const wrong = found.findIndex((word, index) => word !== `w${index + 1}`);
      if (wrong >= 0) faults.push(`${found[wrong]} stands where w${wrong + 1} belongs`);
      const before = shown.get(message.dataset.messageId) ?? 0;
      if (found.length < before) faults.push(`went back from ${before} to ${found.length} words`);
      shown.set(message.dataset.messageId, found.length);
    }
  };
  // Frames that nothing else asks for are not asked for: they would be most of what a machine with many pages does.
  let comes = false;
  const changes = new MutationObserver(() => {
    if (comes) return;
    comes = true;
    requestAnimationFrame(() => {
      comes = false;
      look();
    });
  });
  changes.observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
  window.watcher = { words, faults };
})();
