// Gives the keyboard to the box around this element, and names its sliders.
export default {
  render({ el }) {
    el.style.display = "none";
    const name = (root) => {
      for (const control of root.querySelectorAll("select, input, button, .noUi-handle")) {
        control.setAttribute("data-lm-suppress-shortcuts", "true");
      }
      for (const handle of root.querySelectorAll(".noUi-handle")) {
        const label = handle.closest(".widget-inline-hbox")?.querySelector("label");
        if (label) handle.setAttribute("aria-label", label.textContent);
      }
    };
    const find = () => {
      const root = el.closest(".widget-vbox");
      if (!root) return setTimeout(find, 50);  // not yet in the page
      name(root);
      new MutationObserver(() => name(root)).observe(root, { childList: true, subtree: true });
    };
    find();
  },
};
