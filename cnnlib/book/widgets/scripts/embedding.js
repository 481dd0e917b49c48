// The page of one explorer, inside another page: it says how high it is, and gives the code for it.

const HEARD = `<script>
addEventListener("message", ({ data, source }) => {
  for (const frame of document.querySelectorAll("iframe")) {
    if (frame.contentWindow === source && data?.explorerHeight > 0) frame.height = data.explorerHeight;
  }
});
<\/script>`; // written out, it would end the script that it stands in

const pageHeight = () => Math.ceil(document.body.getBoundingClientRect().height) + 16; // its margins

function embeddingCode() {
  // From a disk, the address counts from the folder that one copies beside one's own page.
  const file = location.pathname.split("/").pop();
  const address = location.protocol === "file:" ? `explorers/${file}${location.hash}` : location.href;
  const quoted = address.replaceAll("&", "&amp;").replaceAll('"', "&quot;");
  const frame = `<iframe src="${quoted}" title="${document.title}" width="100%" height="${pageHeight()}" style="border: 0"></iframe>`;
  return `${frame}\n${HEARD}\n`;
}

function offerEmbedding(element) {
  const copy = document.createElement("button");
  copy.type = "button";
  copy.className = "embed";
  copy.textContent = "Copy the embedding code";
  const code = document.createElement("pre");
  code.tabIndex = 0;
  code.hidden = true;
  copy.addEventListener("click", async () => {
    code.textContent = embeddingCode();
    code.hidden = false;
    getSelection().selectAllChildren(code); // where a page may not copy, a key does
    try {
      await navigator.clipboard.writeText(code.textContent);
      copy.textContent = "Copied";
    } catch {
      copy.textContent = "Now press Ctrl+C";
    }
  });
  element.append(copy, code);
}

// In a frame it needs no code, and what is around it needs the height.
function embed(element) {
  if (parent === window) offerEmbedding(element);
  else new ResizeObserver(() => parent.postMessage({ explorerHeight: pageHeight() }, "*")).observe(document.body);
}
