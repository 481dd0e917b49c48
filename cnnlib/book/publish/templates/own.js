// The page of one explorer: its address is the state.
const place = document.getElementById("explorer");
arrived(JSON.parse(document.getElementById("explorer-data").textContent))
  .then(([module, state]) => mountExplorer(place, module, state, { address: true }))
  .then(() => embed(place));
