(() => {
  const SLICE = 100;
  const SORTS = { name: null, newest: (a, b) => b.added - a.added, size: (a, b) => b.bytes - a.bytes };
  const FACETS = [
    { key: "type", title: "Type", unknown: "Unknown" },
    { key: "base", title: "Base model", unknown: "Unknown" },
    { key: "folder", title: "Folder", unknown: "(top)" },
    { key: "state", title: "Status", unknown: "" },
  ];
  const ALARMING = ["broken", "incomplete", "dangerous"];

  const find = (id) => document.getElementById(id);
  const { states, cards } = JSON.parse(find("cards").textContent);
  const grid = find("grid");
  const nodes = [...grid.children];
  cards.forEach((card, index) => {
    card.index = index;
    card.bytes ??= 0;
    card.added ??= 0;
    for (const { key } of FACETS) card[key] ??= "";
    const texts = [card.name, card.version, card.creator, ...(card.words ?? []), ...(card.tags ?? [])];
    card.haystack = texts.join("\n").toLowerCase();
  });

  const make = (tag, className, text) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const badge = (tone, text) => make("span", `badge ${tone}`, text);
  const attributes = (element, values) => {
    for (const [name, value] of Object.entries(values)) element.setAttribute(name, value);
    return element;
  };

  const drawMedia = (card) => {
    if (!card.preview) return attributes(make("span", "blank", card.type || "?"), { "aria-hidden": "true" });
    if (!card.video) return attributes(make("img"), { src: card.preview, alt: "", loading: "lazy", decoding: "async" });
    const video = attributes(make("video"), { src: card.preview, muted: "", loop: "", playsinline: "", preload: "none", tabindex: "-1" });
    video.muted = true;
    return video;
  };

  const drawPicture = (card) => {
    const picture = make("div", "picture");
    if (card.page) picture.append(attributes(make("a", "cover"), { href: card.page, tabindex: "-1", "aria-hidden": "true" }));
    picture.append(drawMedia(card));
    if (card.veiled && card.preview) {
      const veil = attributes(make("button"), { type: "button", class: "veil" });
      veil.textContent = "Show NSFW picture";
      picture.append(veil);
    }
    const marks = make("span", "marks");
    if (card.type) marks.append(badge("accent", card.type));
    if (card.video && card.preview) marks.append(badge("dark", "Video"));
    if (card.veiled) marks.append(badge("dark", "NSFW"));
    if (card.state !== "ok") marks.append(badge(ALARMING.includes(card.state) ? "danger" : "warning", states[card.state]));
    picture.append(marks);
    return picture;
  };

  const drawFoot = (card) => {
    const foot = make("p", "foot");
    foot.append(make("span", "faint", card.size + (card.day ? ` · ${card.day}` : "")));
    if (card.words) {
      const words = card.words.join(", ");
      const button = attributes(make("button"), { type: "button", class: "copy", "data-copy": words, title: words });
      button.textContent = "Copy words";
      foot.append(button);
    }
    return foot;
  };

  const drawText = (card) => {
    const text = make("div", "text");
    const heading = make("h2");
    const name = card.page ? attributes(make("a"), { href: card.page }) : make("span");
    name.textContent = card.name ?? "";
    heading.append(name);
    text.append(heading);
    const kind = [card.version, card.base].filter(Boolean).join(" · ");
    if (kind) text.append(make("p", "line", kind));
    if (card.creator) text.append(make("p", "line faint", `by ${card.creator}`));
    if (card.reason) text.append(make("p", "line reason", card.reason));
    text.append(drawFoot(card));
    return text;
  };

  const drawCard = (card) => {
    const article = make("article", card.veiled && card.preview ? "card veiled" : "card");
    article.append(drawPicture(card), drawText(card));
    return article;
  };
  const nodeOf = (card) => (nodes[card.index] ??= drawCard(card));

  const state = { q: "", sort: "name", nsfw: false, chosen: {} };

  const readHash = () => {
    const parameters = new URLSearchParams(location.hash.slice(1));
    state.q = parameters.get("q") ?? "";
    state.sort = Object.hasOwn(SORTS, parameters.get("sort") ?? "") ? parameters.get("sort") : "name";
    state.nsfw = parameters.get("nsfw") === "show";
    for (const { key } of FACETS) state.chosen[key] = new Set(parameters.getAll(key));
  };

  const writeHash = () => {
    const parameters = new URLSearchParams();
    if (state.q) parameters.set("q", state.q);
    if (state.sort !== "name") parameters.set("sort", state.sort);
    if (state.nsfw) parameters.set("nsfw", "show");
    for (const { key } of FACETS) for (const value of state.chosen[key]) parameters.append(key, value);
    const hash = parameters.toString();
    history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
  };

  const fitsFacets = (card, except) =>
    FACETS.every(({ key }) => key === except || !state.chosen[key].size || state.chosen[key].has(card[key]));

  const drawFacet = (facet, searched) => {
    const counts = new Map();
    for (const card of cards) counts.set(card[facet.key], 0);
    for (const card of searched) {
      if (fitsFacets(card, facet.key)) counts.set(card[facet.key], counts.get(card[facet.key]) + 1);
    }
    for (const value of state.chosen[facet.key]) if (!counts.has(value)) counts.set(value, 0);
    if (counts.size < 2 && !state.chosen[facet.key].size) return null;
    const group = make("fieldset", "facet");
    const values = make("div", "values");
    for (const value of [...counts.keys()].sort((a, b) => a.localeCompare(b, "en", { numeric: true }))) {
      const label = make("label", counts.get(value) ? "" : "none");
      const box = attributes(make("input"), { type: "checkbox", value });
      box.dataset.facet = facet.key;
      box.checked = state.chosen[facet.key].has(value);
      const text = facet.key === "state" ? (states[value] ?? value) : value || facet.unknown;
      label.append(box, make("span", "", text), make("span", "number", String(counts.get(value))));
      values.append(label);
    }
    group.append(make("legend", "", facet.title), values);
    return group;
  };

  const drawFacets = (searched) => {
    const focused = document.activeElement?.dataset?.facet && { ...document.activeElement.dataset, value: document.activeElement.value };
    const scrolled = [...document.querySelectorAll(".facet .values")].map((values) => values.scrollTop);
    const groups = FACETS.map((facet) => drawFacet(facet, searched)).filter(Boolean);
    find("facets").replaceChildren(...groups);
    groups.forEach((group, index) => (group.lastChild.scrollTop = scrolled[index] ?? 0));
    find("filters").hidden = !groups.length;
    if (!focused) return;
    const boxes = [...document.querySelectorAll("input[data-facet]")];
    boxes.find((box) => box.dataset.facet === focused.facet && box.value === focused.value)?.focus();
  };

  let shown = [];
  let drawn = 0;
  const watchVideos = (drawnNodes) => drawnNodes.filter((node) => node.querySelector("video")).forEach((node) => nearby.observe(node));
  const drawMore = () => {
    const slice = shown.slice(drawn, drawn + SLICE).map(nodeOf);
    drawn += slice.length;
    grid.append(...slice);
    watchVideos(slice);
  };

  const drawGrid = () => {
    // What stands in the document already is the beginning of the unfiltered list by name.
    const standing = [...grid.children];
    const isStanding = standing.length > 0 && standing.every((node, index) => node === nodes[shown[index]?.index]);
    drawn = isStanding ? standing.length : 0;
    if (isStanding) {
      watchVideos(standing);
      return;
    }
    grid.replaceChildren();
    drawMore();
  };

  const isNarrowed = () => Boolean(state.q) || FACETS.some(({ key }) => state.chosen[key].size);
  const draw = () => {
    const terms = state.q.toLowerCase().split(/\s+/).filter(Boolean);
    const searched = cards.filter((card) => terms.every((term) => card.haystack.includes(term)));
    shown = searched.filter((card) => fitsFacets(card, null));
    if (SORTS[state.sort]) shown.sort(SORTS[state.sort]);
    drawGrid();
    drawFacets(searched);
    find("empty").hidden = shown.length > 0;
    find("clear").hidden = !isNarrowed();
    const all = `${cards.length} ${cards.length === 1 ? "model" : "models"}`;
    find("result").textContent = isNarrowed() ? `${shown.length} of ${all}` : all;
    document.body.classList.toggle("unveiled", state.nsfw);
    ending.unobserve(find("end"));
    ending.observe(find("end"));
  };
  const showState = () => {
    find("search").value = state.q;
    find("sort").value = state.sort;
    find("unveil").checked = state.nsfw;
    draw();
  };
  const change = () => {
    writeHash();
    draw();
  };

  // Observing the end anew makes it report again where one slice did not fill the window.
  const ending = new IntersectionObserver(
    (entries) => {
      if (!entries.some((entry) => entry.isIntersecting) || drawn >= shown.length) return;
      drawMore();
      ending.unobserve(find("end"));
      ending.observe(find("end"));
    },
    { rootMargin: "1200px" },
  );
  const nearby = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((each) => each.isIntersecting)) {
      entry.target.querySelector("video").preload = "metadata";
      nearby.unobserve(entry.target);
    }
  });

  let waiting = 0;
  find("search").addEventListener("input", (event) => {
    window.clearTimeout(waiting);
    waiting = window.setTimeout(() => {
      state.q = event.target.value.trim();
      change();
    }, 150);
  });
  find("sort").addEventListener("change", (event) => {
    state.sort = event.target.value;
    change();
  });
  find("unveil").addEventListener("change", (event) => {
    state.nsfw = event.target.checked;
    change();
  });
  find("facets").addEventListener("change", (event) => {
    const { facet } = event.target.dataset;
    if (!facet) return;
    if (event.target.checked) state.chosen[facet].add(event.target.value);
    else state.chosen[facet].delete(event.target.value);
    change();
  });
  find("clear").addEventListener("click", () => {
    state.q = "";
    for (const { key } of FACETS) state.chosen[key].clear();
    writeHash();
    showState();
    find("search").focus();
  });
  grid.addEventListener("click", (event) => {
    if (event.target.closest(".veil")) event.target.closest(".card").classList.add("shown");
  });
  for (const [name, act] of [["pointerover", "play"], ["focusin", "play"], ["pointerout", "pause"], ["focusout", "pause"]]) {
    grid.addEventListener(name, (event) => {
      const video = event.target.closest?.(".card")?.querySelector("video");
      if (!video || video.closest(".card").contains(event.relatedTarget)) return;
      if (act === "play") video.play().catch(() => {});
      else video.pause();
    });
  }
  // The fragment holds the filters: the skip link may not replace it.
  find("skip").addEventListener("click", (event) => {
    event.preventDefault();
    find("models").focus();
  });
  window.addEventListener("hashchange", () => {
    readHash();
    showState();
  });

  const wide = window.matchMedia("(min-width: 56.01rem)");
  const fold = () => (find("filters").open = wide.matches);
  wide.addEventListener("change", fold);
  fold();
  find("controls").hidden = find("found").hidden = cards.length === 0;
  readHash();
  if (cards.length) showState();
})();
