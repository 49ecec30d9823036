// Files that are dropped on the conversation or pasted into the text.

const carriesFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

/** Call `take` with the files dropped on `pane`, unless `isShut()`. */
export function listenForDrops(pane, isShut, take) {
  const mark = (isOver) => document.getElementById("thread-scroll").classList.toggle("thread--dropping", isOver);
  const onDrag = (event) => {
    if (!carriesFiles(event) || isShut()) return;
    event.preventDefault();
    mark(event.type === "dragover");
  };
  pane.addEventListener("dragover", onDrag);
  pane.addEventListener("dragleave", onDrag);
  pane.addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    mark(false);
    if (!isShut()) take(event.dataTransfer.files);
  });
}

/** Call `take` with the files that were pasted; text is left to the browser. */
export function paste(event, take) {
  const pasted = [...(event.clipboardData?.files ?? [])];
  if (!pasted.length) return;
  event.preventDefault();
  take(pasted);
}
