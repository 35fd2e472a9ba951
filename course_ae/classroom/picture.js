// An image that tells where it is clicked.
export default {
  render({ model, el }) {
    const image = document.createElement("img");
    image.style.maxWidth = "100%";
    image.style.background = "white";
    let shown;
    const draw = () => {  // the browser keeps the old picture until the new one is decoded
      const next = URL.createObjectURL(new Blob([model.get("png")], { type: "image/png" }));
      image.onload = () => { if (shown) URL.revokeObjectURL(shown); shown = next; };
      image.src = next;
      image.alt = model.get("alt");
    };
    image.onclick = (event) => {
      const box = image.getBoundingClientRect();
      const x = (event.clientX - box.left) / box.width;
      const y = 1 - (event.clientY - box.top) / box.height;
      model.set("clicked", [x, y]);
      model.save_changes();
    };
    model.on("change:png", draw);
    draw();
    el.appendChild(image);
  },
};
