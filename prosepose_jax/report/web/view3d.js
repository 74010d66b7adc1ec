// The 3D view of a scene: one renderer for the page, moved to the scene that is looked at (docs/report.md).
"use strict";
window.view3d = (function () {
  const COLORS = ["#5ca1ed", "#faa345", "#38bda3", "#e08cbf", "#eddb6b"]; // as in the pictures
  const LIT = ["#ffe14d", "#b6f06a", "#ff9ad5", "#8ff0ff", "#d9b3ff", "#ffc08a"];
  const INSIDE = "#e0182d";
  const PLAY_SECONDS = 2.5;
  const HELP =
    "Drag: turn. Wheel or pinch: zoom. Keys in the view: arrows turn, + and − zoom, 1–4 sides, space plays, [ and ] step.";

  let shared = null; // renderer, canvas, camera, controls
  let body = null; // faces and labels of the run's body
  let open = null; // the scene that is shown

  async function unpack(text) {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  async function loadBody() {
    if (body) return body;
    const packed = JSON.parse(document.getElementById("body-data").textContent);
    const faces = new Uint32Array((await unpack(packed.faces)).buffer);
    for (let i = 1; i < faces.length; i++) faces[i] += faces[i - 1];
    body = { count: packed.vertices, faces, labels: await unpack(packed.labels) };
    return body;
  }

  // Frames of positions in metres, y up; the camera frame is x right, y down, z forward.
  async function loadScene(view) {
    const bytes = await unpack(view.data);
    const size = view.people * body.count * 3;
    const total = view.frames * size;
    const whole = new Uint16Array(total);
    for (let i = 0; i < total; i++) {
      const step = bytes[i] | (bytes[total + i] << 8);
      const before = i < size ? (i % (body.count * 3) < 3 ? 0 : whole[i - 3]) : whole[i - size];
      whole[i] = before + step; // wraps around at 16 bits
    }
    const frames = [];
    for (let f = 0; f < view.frames; f++) {
      const points = new Float32Array(size);
      for (let i = 0; i < size; i++) {
        const axis = i % 3;
        const metres = view.low[axis] + whole[f * size + i] * view.step;
        points[i] = axis === 0 ? metres : -metres;
      }
      frames.push(points);
    }
    const marks = [];
    const stride = Math.ceil((view.people * body.count) / 8);
    for (let m = 0; m < view.marks; m++) {
      const start = 2 * total + m * stride;
      marks.push(bytes.subarray(start, start + stride));
    }
    return { frames, marks };
  }

  function makeShared() {
    const renderer = new THREE.WebGLRenderer({ antialias: true, alpha: false, preserveDrawingBuffer: true });
    renderer.setPixelRatio(Math.min(window.devicePixelRatio || 1, 2));
    const camera = new THREE.PerspectiveCamera(38, 1, 0.05, 100);
    const controls = new THREE.OrbitControls(camera, renderer.domElement);
    controls.enableDamping = false;
    controls.addEventListener("change", draw);
    renderer.domElement.addEventListener("webglcontextlost", (event) => event.preventDefault());
    renderer.domElement.addEventListener("webglcontextrestored", draw);
    new ResizeObserver(resize).observe(renderer.domElement);
    return { renderer, camera, controls };
  }

  function element(name, className, text) {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function button(text, action, label) {
    const made = element("button", "", text);
    made.type = "button";
    if (label) made.setAttribute("aria-label", label);
    made.addEventListener("click", action);
    return made;
  }

  function toggle(card) {
    if (open && open.card === card) close();
    else show(card);
  }

  function close() {
    if (!open) return;
    stop();
    open.meshes.forEach((mesh) => mesh.geometry.dispose());
    open.frame.remove();
    open.card.querySelector(".picture").hidden = false;
    open.card.querySelector("button.turn").setAttribute("aria-pressed", "false");
    open = null;
  }

  async function show(card) {
    close();
    const turn = card.querySelector("button.turn");
    const place = Number(card.querySelector(".stage").dataset.place);
    const view = prosepose.view(place);
    if (!view) return;
    try {
      if (typeof DecompressionStream === "undefined") throw new Error("no DecompressionStream");
      shared = shared || makeShared();
    } catch (error) {
      card.querySelector(".modes .soft").textContent = `This browser shows no 3D here (${error.message}); the picture stays.`;
      return;
    }
    turn.setAttribute("aria-pressed", "true");
    await loadBody();
    const data = await loadScene(view);
    close();
    turn.setAttribute("aria-pressed", "true");
    build(card, view, data);
  }

  function build(card, view, data) {
    const scene = new THREE.Scene();
    scene.background = new THREE.Color("#eef1f5");
    scene.add(new THREE.HemisphereLight("#ffffff", "#9aa3ad", 1.7));
    const sun = new THREE.DirectionalLight("#ffffff", 1.6);
    sun.position.set(-1, 2.5, 2);
    scene.add(sun);
    const frame = element("div", "view");
    const canvas = element("div", "canvas");
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-label", "3D view of the people. " + HELP);
    canvas.append(shared.renderer.domElement);
    frame.append(canvas);
    open = { card, view, data, scene, frame, canvas, meshes: [], lines: [], labels: [], time: view.frames - 1, shown: -1 };
    for (let p = 0; p < view.people; p++) open.meshes.push(makePerson(p));
    makeGround();
    makeLines();
    frame.append(makeControls(), element("div", "help soft", HELP));
    canvas.addEventListener("keydown", keys);
    const picture = card.querySelector(".picture");
    picture.hidden = true;
    picture.before(frame);
    frameAll();
    setTime(view.frames - 1);
    resize();
    look("corner");
    document.documentElement.dataset.view = card.id;
  }

  function makePerson(person) {
    const geometry = new THREE.BufferGeometry();
    const part = (frame) => frame.subarray(person * body.count * 3, (person + 1) * body.count * 3);
    geometry.setAttribute("position", new THREE.BufferAttribute(part(open.data.frames[0]).slice(), 3));
    geometry.setAttribute("color", new THREE.BufferAttribute(new Float32Array(body.count * 3), 3));
    geometry.setIndex(new THREE.BufferAttribute(body.faces, 1));
    geometry.boundingSphere = new THREE.Sphere(new THREE.Vector3(), 1e6);
    const material = new THREE.MeshStandardMaterial({ vertexColors: true, roughness: 0.72, metalness: 0, side: THREE.DoubleSide });
    const mesh = new THREE.Mesh(geometry, material);
    mesh.frustumCulled = false;
    open.scene.add(mesh);
    return mesh;
  }

  function makeGround() {
    let low = Infinity;
    const last = open.data.frames[open.data.frames.length - 1];
    const middle = [0, 0];
    for (let i = 0; i < last.length; i += 3) {
      low = Math.min(low, last[i + 1]);
      middle[0] += last[i];
      middle[1] += last[i + 2];
    }
    const grid = new THREE.GridHelper(6, 12, "#aab3bd", "#d0d6dd"); // half a metre a square
    grid.position.set((3 * middle[0]) / last.length, low, (3 * middle[1]) / last.length);
    open.scene.add(grid);
  }

  function makeLines() {
    open.view.contacts.forEach((contact, number) => {
      const geometry = new THREE.BufferGeometry();
      geometry.setAttribute("position", new THREE.BufferAttribute(new Float32Array(6), 3));
      const line = new THREE.LineSegments(geometry, new THREE.LineBasicMaterial({ color: "#15181c", depthTest: false }));
      line.renderOrder = 2;
      line.frustumCulled = false;
      const label = element("div", "label");
      open.canvas.append(label);
      open.scene.add(line);
      open.lines.push(line);
      open.labels.push(label);
      const row = rowOf(number);
      const box = row && row.querySelector("input");
      if (box) box.onchange = () => { paint(); setTime(open.time); };
    });
  }

  function rowOf(number) {
    return open.card.querySelector(`table.contacts tr[data-line="${number}"]`);
  }

  function isShown(number) {
    const box = rowOf(number) && rowOf(number).querySelector("input");
    return Boolean(box && box.checked);
  }

  function makeControls() {
    const bottom = element("div", "bottom");
    const last = open.view.frames - 1;
    if (last > 0) {
      open.play = button("▶", playOrStop, "play from before to after");
      open.scrub = element("input", "scrub");
      Object.assign(open.scrub, { type: "range", min: 0, max: last, step: last / 200, value: last });
      open.scrub.setAttribute("aria-label", "from before to after");
      open.scrub.addEventListener("input", () => { stop(); setTime(Number(open.scrub.value)); });
      open.when = element("output", "when");
      bottom.append(open.play, open.scrub, open.when);
    }
    for (const [text, name] of [["corner", "corner"], ["camera", "camera"], ["side", "side"], ["top", "top"], ["back", "back"]]) {
      bottom.append(button(text, () => look(name), `look from the ${name}`));
    }
    const key = element("span", "soft");
    for (let p = 0; p < open.view.people; p++) key.append(swatch(COLORS[p % COLORS.length]), `person ${p + 1}`);
    key.append(swatch(LIT[0]), "named region");
    if (open.view.people > 1) key.append(swatch(INSIDE), "inside the other");
    bottom.append(key);
    return bottom;
  }

  function swatch(color) {
    const made = element("i", "swatch");
    made.style.background = color;
    return made;
  }

  function frameAll() {
    const low = [Infinity, Infinity, Infinity];
    const high = [-Infinity, -Infinity, -Infinity];
    for (const points of [open.data.frames[0], open.data.frames[open.data.frames.length - 1]]) {
      for (let i = 0; i < points.length; i++) {
        low[i % 3] = Math.min(low[i % 3], points[i]);
        high[i % 3] = Math.max(high[i % 3], points[i]);
      }
    }
    open.center = new THREE.Vector3(...low.map((x, i) => (x + high[i]) / 2));
    open.radius = Math.max(0.4, Math.hypot(...low.map((x, i) => high[i] - x)) / 2);
  }

  function look(name) {
    const from = { corner: [0.6, 0.35, 1], camera: null, side: [-1, 0, 0], top: [0, 1, 1e-4], back: [0, 0.05, -1] }[name];
    const { camera, controls } = shared;
    const direction = from ? new THREE.Vector3(...from) : open.center.clone().negate();
    const narrow = Math.min(1, camera.aspect);
    const distance = (0.9 * open.radius) / (Math.sin((camera.fov * Math.PI) / 360) * narrow);
    camera.position.copy(open.center).addScaledVector(direction.normalize(), distance);
    camera.near = distance / 100;
    camera.far = distance * 20;
    camera.updateProjectionMatrix();
    controls.target.copy(open.center);
    controls.update();
    draw();
  }

  function setTime(time) {
    const { data, view } = open;
    const last = view.frames - 1;
    open.time = Math.min(last, Math.max(0, time));
    const first = Math.min(Math.floor(open.time), Math.max(0, last - 1));
    const share = open.time - first;
    const a = data.frames[first];
    const b = data.frames[Math.min(last, first + 1)];
    open.meshes.forEach((mesh, person) => {
      const positions = mesh.geometry.attributes.position;
      const start = person * body.count * 3;
      for (let i = 0; i < positions.array.length; i++) {
        positions.array[i] = a[start + i] + share * (b[start + i] - a[start + i]);
      }
      positions.needsUpdate = true;
      mesh.geometry.computeVertexNormals();
    });
    const marks = open.time > last / 2 ? view.marks - 1 : 0;
    if (marks !== open.shown) paint(marks);
    open.view.contacts.forEach((contact, number) => placeLine(contact, number));
    if (open.scrub) {
      open.scrub.value = open.time;
      open.when.textContent = open.time === 0 ? "before" : open.time === last ? "fit" : `${Math.round((100 * open.time) / last)} %`;
      open.scrub.setAttribute("aria-valuetext", open.when.textContent);
    }
    draw();
  }

  function point(person, vertex) {
    const array = open.meshes[person].geometry.attributes.position.array;
    return array.subarray(3 * vertex, 3 * vertex + 3);
  }

  function placeLine(contact, number) {
    const line = open.lines[number];
    line.visible = isShown(number);
    const a = point(contact.people[0], contact.vertices[0]);
    const b = point(contact.people[1], contact.vertices[1]);
    const array = line.geometry.attributes.position.array;
    array.set(a, 0);
    array.set(b, 3);
    line.geometry.attributes.position.needsUpdate = true;
    const distance = Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
    open.labels[number].textContent = `${(100 * distance).toFixed(1)} cm`;
    open.labels[number].hidden = !line.visible;
  }

  // Colours: the person's, over it the regions of the contacts that are shown, over them vertices inside another.
  function paint(marks = open.shown) {
    open.shown = marks;
    const lit = open.meshes.map(() => new Map());
    open.view.contacts.forEach((contact, number) => {
      if (!isShown(number)) return;
      contact.people.forEach((person, side) => {
        contact.regions[side].forEach((region) => lit[person].set(region, LIT[number % LIT.length]));
      });
    });
    const parsed = new Map();
    const rgb = (text) => {
      if (!parsed.has(text)) parsed.set(text, new THREE.Color(text).toArray());
      return parsed.get(text);
    };
    open.meshes.forEach((mesh, person) => {
      const colors = mesh.geometry.attributes.color;
      const inside = open.data.marks[marks];
      const own = rgb(COLORS[person % COLORS.length]);
      for (let v = 0; v < body.count; v++) {
        const bit = person * body.count + v;
        const name = lit[person].get(body.labels[v]);
        const color = inside[bit >> 3] & (1 << (bit & 7)) ? rgb(INSIDE) : name ? rgb(name) : own;
        colors.array.set(color, 3 * v);
      }
      colors.needsUpdate = true;
    });
  }

  function draw() {
    if (!open) return;
    shared.renderer.render(open.scene, shared.camera);
    const width = open.canvas.clientWidth;
    const height = open.canvas.clientHeight;
    const middle = new THREE.Vector3();
    open.lines.forEach((line, number) => {
      if (!line.visible) return;
      const array = line.geometry.attributes.position.array;
      middle.set(array[0] + array[3], array[1] + array[4], array[2] + array[5]).multiplyScalar(0.5).project(shared.camera);
      const x = ((middle.x + 1) / 2) * width;
      const y = ((1 - middle.y) / 2) * height;
      open.labels[number].style.transform = `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px) translate(8px, -50%)`;
      open.labels[number].style.visibility = middle.z < 1 && x > 0 && x < width ? "visible" : "hidden";
    });
  }

  function resize() {
    if (!open) return;
    const width = open.canvas.clientWidth;
    const height = open.canvas.clientHeight;
    if (!width || !height) return;
    shared.renderer.setSize(width, height, false);
    shared.camera.aspect = width / height;
    shared.camera.updateProjectionMatrix();
    draw();
  }

  function playOrStop() {
    if (open.playing) return stop();
    const mine = open;
    const last = open.view.frames - 1;
    const start = open.time >= last ? 0 : open.time;
    const begin = performance.now();
    open.playing = true;
    open.play.textContent = "❚❚";
    function next(now) {
      if (open !== mine || !mine.playing) return;
      const time = start + (Math.max(0, now - begin) / 1000 / PLAY_SECONDS) * last;
      setTime(time);
      if (time >= last) stop();
      else requestAnimationFrame(next);
    }
    requestAnimationFrame(next);
  }

  function stop() {
    if (!open || !open.play) return;
    open.playing = false;
    open.play.textContent = "▶";
  }

  function orbit(across, up) {
    const { camera, controls } = shared;
    const offset = camera.position.clone().sub(controls.target);
    const length = offset.length();
    const angle = Math.atan2(offset.x, offset.z) + across;
    const height = Math.min(1.55, Math.max(-1.55, Math.asin(offset.y / length) + up));
    offset.set(Math.sin(angle) * Math.cos(height), Math.sin(height), Math.cos(angle) * Math.cos(height)).multiplyScalar(length);
    camera.position.copy(controls.target).add(offset);
    controls.update();
    draw();
  }

  function zoom(factor) {
    const { camera, controls } = shared;
    camera.position.sub(controls.target).multiplyScalar(factor).add(controls.target);
    controls.update();
    draw();
  }

  function keys(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = (open.view.frames - 1) / 20;
    const actions = {
      ArrowLeft: () => orbit(-0.12, 0), ArrowRight: () => orbit(0.12, 0), ArrowUp: () => orbit(0, 0.12), ArrowDown: () => orbit(0, -0.12),
      "+": () => zoom(0.88), "=": () => zoom(0.88), "-": () => zoom(1 / 0.88), "−": () => zoom(1 / 0.88),
      1: () => look("camera"), 2: () => look("side"), 3: () => look("top"), 4: () => look("back"), 0: () => look("corner"),
      "[": () => { stop(); setTime(open.time - step); }, "]": () => { stop(); setTime(open.time + step); },
      " ": () => open.play && playOrStop(), Escape: () => { const turn = open.card.querySelector("button.turn"); close(); turn.focus(); },
    };
    if (actions[event.key]) {
      event.preventDefault();
      actions[event.key]();
    }
  }

  // What is shown, as numbers: for tests, and for whoever scripts the page.
  function state() {
    if (!open) return null;
    const middles = open.meshes.map((mesh) => {
      const array = mesh.geometry.attributes.position.array;
      const sum = [0, 0, 0];
      for (let i = 0; i < array.length; i++) sum[i % 3] += array[i];
      return sum.map((x) => (3 * x) / array.length);
    });
    return {
      scene: open.card.id, time: open.time, frames: open.view.frames, middles,
      eye: shared.camera.position.toArray(),
      lines: open.lines.filter((line) => line.visible).length,
      labels: open.labels.filter((label) => !label.hidden).map((label) => label.textContent),
    };
  }

  return { toggle, show, close, state };
})();
