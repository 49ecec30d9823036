// Makes a JPEG or PNG small enough to be sent: in the same format, upright, and as large as the limit allows.

const ROOM = 0.96; // aim a little below the limit
const MOST_TRIES = 12;
const QUALITIES = [0.9, 0.82, 0.74];

/** Can this file be made smaller? */
export function canShrink(file) {
  return /^image\/(png|jpeg)$/.test(file.type);
}

/** Return the file below `limit` bytes under the same name. Throws when the browser cannot read it as an image. */
export async function shrink(file, limit) {
  const picture = await createImageBitmap(file, { imageOrientation: "from-image" });
  const isPng = file.type === "image/png";
  try {
    let scale = 1;
    for (let attempt = 0; attempt < MOST_TRIES; attempt++) {
      let smallest = Infinity;
      for (const quality of isPng ? [undefined] : QUALITIES) {
        const blob = await drawn(picture, scale, file.type, quality);
        if (blob.size <= limit)
          return new File([blob], file.name, { type: file.type, lastModified: file.lastModified });
        smallest = Math.min(smallest, blob.size);
      }
      scale *= Math.min(0.9, Math.sqrt((limit / smallest) * ROOM));
    }
  } finally {
    picture.close();
  }
  throw new Error("still too big");
}

function drawn(picture, scale, type, quality) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("too large to be drawn"))), type, quality);
  });
}
