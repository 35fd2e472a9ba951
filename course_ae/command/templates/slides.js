Reveal.initialize({
  controls: true, progress: true, hash: true, slideNumber: "c/t", transition: "none",
  width: 1280, height: 760, margin: 0.03, center: false,
  scrollActivationWidth: null,  // slides on a phone too, not one long page
});
