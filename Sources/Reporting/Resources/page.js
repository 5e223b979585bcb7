'use strict';
// The page works without this script; with it, tables sort and the scatter comes alive.
(() => {
  const $ = id => document.getElementById(id);
  const root = document.documentElement;

  // ---- Light or dark -------------------------------------------------------------------------
  const themeButton = $('theme');
  themeButton.hidden = false;
  themeButton.onclick = () => {
    const dark = root.dataset.theme ? root.dataset.theme === 'dark'
      : matchMedia('(prefers-color-scheme: dark)').matches;
    root.dataset.theme = dark ? 'light' : 'dark';
    dispatchEvent(new Event('themechange'));
  };

  // ---- Tables that sort by a click on a heading ----------------------------------------------
  for (const table of document.querySelectorAll('table.sortable')) {
    const body = table.tBodies[0];
    [...table.tHead.rows[0].cells].forEach((heading, column) => {
      heading.firstElementChild.onclick = () => {
        // Numbers start with the largest; the first column goes back to the original order.
        const rising = heading.getAttribute('aria-sort')
          ? heading.getAttribute('aria-sort') === 'descending' : column === 0;
        for (const other of table.tHead.rows[0].cells) other.removeAttribute('aria-sort');
        heading.setAttribute('aria-sort', rising ? 'ascending' : 'descending');
        const value = row => +row.cells[column].dataset.v;
        [...body.rows].sort((a, b) => rising ? value(a) - value(b) : value(b) - value(a))
          .forEach(row => body.append(row));
      };
    });
  }

  const source = $('data');
  if (!source) return;

  // ---- Data: typed arrays in base64, little endian ----------------------------------------------
  const data = JSON.parse(source.textContent);
  const bytes = text => Uint8Array.from(atob(text || ''), c => c.charCodeAt(0));
  const floats = text => new Float32Array(bytes(text).buffer);
  const n = data.n, segments = data.segments, text = data.text;
  const values = [floats(data.x), floats(data.y)];
  const labels = data.wide ? new Uint16Array(bytes(data.label).buffer) : bytes(data.label);
  const ages = data.age && bytes(data.age), tiers = data.tier && bytes(data.tier);

  /** Numbers of 7 bits a byte, the lowest first (LEB128). */
  function* variable(array) {
    for (let i = 0; i < array.length;) {
      let value = 0, factor = 1, byte;
      do { byte = array[i++]; value += (byte & 127) * factor; factor *= 128; } while (byte & 128);
      yield value;
    }
  }

  let idBytes, idStart;
  if (data.ids !== undefined) {
    idBytes = bytes(data.ids);
    idStart = new Uint32Array(n + 1);
    let i = 0;
    for (const length of variable(bytes(data.idLengths))) { idStart[i + 1] = idStart[i] + length; i++; }
  }
  const idOf = i => idBytes ? new TextDecoder().decode(idBytes.subarray(idStart[i], idStart[i + 1])) : '';

  const grouped = digits => digits.replace(/\B(?=(\d{3})+$)/g, data.group);
  function number(value) {
    const size = Math.abs(value);
    const places = Number.isInteger(value) || size >= 1e6 ? 0 : size >= 0.1 ? 2 : size >= 0.001 ? 4 : 6;
    const [whole, rest] = size.toFixed(places).split('.');
    return (value < 0 ? '−' : '') + grouped(whole) + (rest ? data.decimal + rest : '');
  }
  function short(value) {
    const size = Math.abs(value);
    for (const [unit, suffix] of [[1e9, 'G'], [1e6, 'M'], [1e3, 'k']])
      if (size >= unit) return String(+(value / unit).toPrecision(3)).replace('.', data.decimal).replace('-', '−') + suffix;
    return String(+value.toPrecision(3)).replace('.', data.decimal).replace('-', '−');
  }

  // ---- Axes: data → scale (linear or signed log) → view → pixels ----------------------------------
  const scaled = (value, log) => log ? Math.sign(value) * Math.log1p(Math.abs(value)) : value;
  const unscaled = (value, log) => log ? Math.sign(value) * Math.expm1(Math.abs(value)) : value;
  const axes = data.axes.map((axis, dimension) => ({
    name: axis.name, log: axis.log, edges: new Float64Array(bytes(axis.edges).buffer),
    values: values[dimension], points: new Float64Array(n), low: 0, high: 1,
  }));
  const [xAxis, yAxis] = axes;

  function home(axis) {
    const low = scaled(axis.edges[0], axis.log), high = scaled(axis.edges[axis.edges.length - 1], axis.log);
    axis.low = low - (high - low) * 0.03;
    axis.high = high + (high - low) * 0.03;
  }
  function rescale(axis) {
    for (let i = 0; i < n; i++) axis.points[i] = scaled(axis.values[i], axis.log);
    home(axis);
  }
  axes.forEach(rescale);

  function ticks(axis, wanted) {
    const low = unscaled(axis.low, axis.log), high = unscaled(axis.high, axis.log);
    const list = [];
    if (axis.log && high - low > 20 * Math.max(1, Math.abs(low))) {
      const sparse = Math.log10(Math.max(high, 1) + Math.max(-low, 1)) > wanted / 2.2;
      for (let power = 1; power < 1e15; power *= 10)
        for (const digit of sparse ? [1] : [1, 2, 5]) list.push(digit * power, -digit * power);
      list.push(0);
      return list.filter(v => v >= low && v <= high).sort((a, b) => a - b);
    }
    const rough = (high - low) / wanted, power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find(m => m * power >= rough);
    for (let v = Math.ceil(low / step); v * step <= high; v++) list.push(+(v * step).toPrecision(12));
    return list;
  }

  // ---- Canvas ---------------------------------------------------------------------------------
  // Axes, density and points are painted once per view; what follows the mouse is laid over them.
  const canvas = $('canvas'), stage = $('stage'), tip = $('tip');
  const picture = document.createElement('canvas'), context = picture.getContext('2d');
  const overlay = canvas.getContext('2d');
  const margin = { left: 62, right: 14, top: 12, bottom: 46 };
  let width = 0, height = 0, ratio = 1, colours = [], paint = {};
  const hidden = new Uint8Array(segments.length);
  const screenX = new Float32Array(n), screenY = new Float32Array(n);
  let selected = null, lasso = null, focused = -1, mode = 'both', frame = 0, stale = false;

  const plotWidth = () => width - margin.left - margin.right;
  const plotHeight = () => height - margin.top - margin.bottom;
  const toX = v => margin.left + (v - xAxis.low) / (xAxis.high - xAxis.low) * plotWidth();
  const toY = v => margin.top + (yAxis.high - v) / (yAxis.high - yAxis.low) * plotHeight();
  const fromX = px => xAxis.low + (px - margin.left) / plotWidth() * (xAxis.high - xAxis.low);
  const fromY = py => yAxis.high - (py - margin.top) / plotHeight() * (yAxis.high - yAxis.low);
  const inside = (px, py) => px >= margin.left && px <= width - margin.right
    && py >= margin.top && py <= height - margin.bottom;

  function readColours() {
    const style = getComputedStyle(root), get = name => style.getPropertyValue(name).trim();
    colours = Array.from({ length: 10 }, (_, i) => get('--c' + i));
    paint = { paper: get('--paper'), ink: get('--ink'), soft: get('--soft'), rule: get('--rule'), accent: get('--accent') };
  }
  const colourOf = label => colours[label % 10];
  const shapeOf = label => (label + Math.floor(label / 10)) % 5;

  /** The same shapes as the legend's. */
  function trace(c, shape, x, y, r) {
    c.beginPath();
    if (shape === 0) c.arc(x, y, r, 0, 7);
    else if (shape === 1) c.rect(x - r * 0.9, y - r * 0.9, r * 1.8, r * 1.8);
    else if (shape === 2) { c.moveTo(x, y - r * 1.2); c.lineTo(x + r * 1.1, y + r * 0.9); c.lineTo(x - r * 1.1, y + r * 0.9); }
    else if (shape === 3) { c.moveTo(x, y - r * 1.3); c.lineTo(x + r * 1.3, y); c.lineTo(x, y + r * 1.3); c.lineTo(x - r * 1.3, y); }
    else { c.rect(x - r * 0.45, y - r * 1.2, r * 0.9, r * 2.4); c.rect(x - r * 1.2, y - r * 0.45, r * 2.4, r * 0.9); }
    c.closePath();
  }
  function sprite(label, radius, alpha) {
    const side = Math.ceil((radius * 1.4 + 1) * 2 * ratio), image = document.createElement('canvas');
    image.width = image.height = side;
    const c = image.getContext('2d');
    c.scale(ratio, ratio);
    c.globalAlpha = alpha;
    c.fillStyle = colourOf(label);
    trace(c, shapeOf(label), side / ratio / 2, side / ratio / 2, radius);
    c.fill();
    return image;
  }

  // ---- Density: every customer, counted per cell and segment ----------------------------------
  const columns = xAxis.edges.length - 1;
  const density = data.density.map(encoded => {
    const cells = [], counts = [], numbers = [...variable(bytes(encoded))];
    for (let i = 0, cell = 0; i < numbers.length; i += 2) {
      cell += numbers[i];
      cells.push(cell++);
      counts.push(numbers[i + 1]);
    }
    return { cells, counts };
  });
  const rgb = colour => [1, 3, 5].map(i => parseInt(colour.substr(i, 2), 16));

  /** Cell → [customers, red, green, blue] of the segments shown, as customers mix them. */
  let mixture, mixtureKey;
  function mixDensity() {
    const key = hidden.join() + colours.join();
    if (key === mixtureKey) return mixture;
    const totals = new Map();
    density.forEach((grid, label) => {
      if (hidden[label]) return;
      const [r, g, b] = rgb(colourOf(label));
      for (let i = 0; i < grid.cells.length; i++) {
        const count = grid.counts[i];
        let sum = totals.get(grid.cells[i]);
        if (!sum) totals.set(grid.cells[i], sum = [0, 0, 0, 0]);
        sum[0] += count; sum[1] += r * count; sum[2] += g * count; sum[3] += b * count;
      }
    });
    mixtureKey = key;
    return mixture = totals;
  }

  function drawDensity() {
    const totals = mixDensity();
    let most = 1;
    for (const sum of totals.values()) most = Math.max(most, sum[0]);
    const lowest = mode === 'both' ? 0.05 : 0.12, highest = mode === 'both' ? 0.5 : 0.95;
    for (const [cell, [count, r, g, b]] of totals) {
      const column = cell % columns, row = (cell - column) / columns;
      const left = toX(scaled(xAxis.edges[column], xAxis.log)), right = toX(scaled(xAxis.edges[column + 1], xAxis.log));
      const bottom = toY(scaled(yAxis.edges[row], yAxis.log)), top = toY(scaled(yAxis.edges[row + 1], yAxis.log));
      if (right < margin.left || left > width || top > height || bottom < 0) continue;
      context.globalAlpha = lowest + (highest - lowest) * Math.log1p(count) / Math.log1p(most);
      context.fillStyle = `rgb(${r / count | 0},${g / count | 0},${b / count | 0})`;
      context.fillRect(left, top, Math.max(right - left, 1), Math.max(bottom - top, 1));
    }
    context.globalAlpha = 1;
  }

  // ---- Drawing -----------------------------------------------------------------------------------
  function resize() {
    const box = canvas.getBoundingClientRect();
    ratio = Math.min(devicePixelRatio || 1, 3);
    width = box.width;
    height = box.height;
    canvas.width = picture.width = Math.round(width * ratio);
    canvas.height = picture.height = Math.round(height * ratio);
    margin.left = width < 500 ? 54 : 62;
    redraw();
  }
  function refresh() { cancelAnimationFrame(frame); frame = requestAnimationFrame(draw); }
  function redraw() { stale = true; refresh(); }

  function drawAxes() {
    context.font = '12px ' + getComputedStyle(document.body).fontFamily;
    context.lineWidth = 1;
    context.textBaseline = 'top';
    context.textAlign = 'center';
    let last = -1e9;
    for (const v of ticks(xAxis, plotWidth() / 90)) {
      const x = Math.round(toX(scaled(v, xAxis.log))) + 0.5;
      context.strokeStyle = paint.rule;
      context.beginPath(); context.moveTo(x, margin.top); context.lineTo(x, height - margin.bottom); context.stroke();
      if (x - last < 38) continue;
      last = x;
      context.fillStyle = paint.soft;
      context.fillText(short(v), x, height - margin.bottom + 7);
    }
    context.textAlign = 'right';
    context.textBaseline = 'middle';
    last = 1e9;
    for (const v of ticks(yAxis, plotHeight() / 60)) {
      const y = Math.round(toY(scaled(v, yAxis.log))) + 0.5;
      context.strokeStyle = paint.rule;
      context.beginPath(); context.moveTo(margin.left, y); context.lineTo(width - margin.right, y); context.stroke();
      if (last - y < 18) continue;
      last = y;
      context.fillStyle = paint.soft;
      context.fillText(short(v), margin.left - 8, y);
    }
    context.fillStyle = paint.ink;
    context.textAlign = 'center';
    context.textBaseline = 'bottom';
    context.fillText(xAxis.name, margin.left + plotWidth() / 2, height - 4);
    context.save();
    context.translate(4, margin.top + plotHeight() / 2);
    context.rotate(-Math.PI / 2);
    context.textBaseline = 'top';
    context.fillText(yAxis.name, 0, 0);
    context.restore();
  }

  function draw() {
    if (stale) paintPicture();
    stale = false;
    overlay.setTransform(1, 0, 0, 1, 0, 0);
    overlay.drawImage(picture, 0, 0);
    overlay.setTransform(ratio, 0, 0, ratio, 0, 0);
    overlay.save();
    overlay.beginPath();
    overlay.rect(margin.left, margin.top, plotWidth(), plotHeight());
    overlay.clip();
    if (focused >= 0) {
      overlay.lineWidth = 2;
      overlay.strokeStyle = paint.ink;
      overlay.fillStyle = colourOf(labels[focused]);
      trace(overlay, shapeOf(labels[focused]), screenX[focused], screenY[focused], 5.5);
      overlay.fill();
      overlay.stroke();
    }
    if (lasso && lasso.length > 1) {
      overlay.lineWidth = 1.5;
      overlay.strokeStyle = overlay.fillStyle = paint.accent;
      overlay.beginPath();
      for (const [x, y] of lasso) overlay.lineTo(x, y);
      overlay.closePath();
      overlay.stroke();
      overlay.globalAlpha = 0.08;
      overlay.fill();
    }
    overlay.restore();
  }

  function paintPicture() {
    readColours();
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = paint.paper;
    context.fillRect(0, 0, width, height);
    drawAxes();
    context.save();
    context.beginPath();
    context.rect(margin.left, margin.top, plotWidth(), plotHeight());
    context.clip();
    if (mode !== 'points') drawDensity();
    for (let i = 0; i < n; i++) {
      screenX[i] = toX(xAxis.points[i]);
      screenY[i] = toY(yAxis.points[i]);
    }
    if (mode !== 'density') {
      // Fewer points in view can be larger and more solid.
      let inView = 0;
      for (let i = 0; i < n; i++) if (!hidden[labels[i]] && inside(screenX[i], screenY[i])) inView++;
      const radius = inView > 20000 ? 1.9 : inView > 4000 ? 2.6 : 4;
      const alpha = inView > 20000 ? 0.55 : inView > 4000 ? 0.7 : 0.85;
      const sprites = segments.map((_, label) => sprite(label, radius, alpha));
      const faint = selected && segments.map((_, label) => sprite(label, radius, alpha * 0.2));
      for (let i = 0; i < n; i++) {
        if (hidden[labels[i]] || !inside(screenX[i], screenY[i])) continue;
        const image = (selected && !selected[i] ? faint : sprites)[labels[i]], side = image.width / ratio;
        context.drawImage(image, screenX[i] - side / 2, screenY[i] - side / 2, side, side);
      }
    }
    context.restore();
    indexPoints();
  }

  // ---- Picking: points in squares of 24 pixels -----------------------------------------------------
  const square = 24;
  let across = 0, starts = new Uint32Array(1), order = new Uint32Array(n);
  function indexPoints() {
    across = Math.ceil(width / square) + 1;
    starts = new Uint32Array(across * (Math.ceil(height / square) + 1) + 1);
    const squareOf = i => Math.floor(screenY[i] / square) * across + Math.floor(screenX[i] / square);
    const isShown = i => mode !== 'density' && !hidden[labels[i]] && inside(screenX[i], screenY[i]);
    for (let i = 0; i < n; i++) if (isShown(i)) starts[squareOf(i) + 1]++;
    for (let s = 1; s < starts.length; s++) starts[s] += starts[s - 1];
    const next = starts.slice();
    for (let i = 0; i < n; i++) if (isShown(i)) order[next[squareOf(i)]++] = i;
  }
  /** The point nearest to a pixel within `reach`; of equals the one drawn last, on top. */
  function pick(px, py, reach) {
    let best = -1, nearest = reach * reach;
    const c = Math.floor(px / square), r = Math.floor(py / square);
    for (let row = Math.max(r - 1, 0); row <= r + 1; row++)
      for (let column = Math.max(c - 1, 0); column <= c + 1; column++) {
        const s = row * across + column;
        if (column >= across || s + 1 >= starts.length) continue;
        for (let k = starts[s]; k < starts[s + 1]; k++) {
          const i = order[k], d = (screenX[i] - px) ** 2 + (screenY[i] - py) ** 2;
          if (d < nearest || d === nearest && i > best) { nearest = d; best = i; }
        }
      }
    return best;
  }

  // ---- Tooltip: text nodes only -------------------------------------------------------------------
  function ageText(age) { return data.ageBand ? `${age}–${age + 4}` : String(age); }
  function facts(i) {
    const segment = segments[labels[i]], rows = [];
    if (idBytes) rows.push([text.customer, idOf(i)]);
    rows.push([text.segment, segment.id + ' ' + segment.name]);
    rows.push([xAxis.name, number(xAxis.values[i])], [yAxis.name, number(yAxis.values[i])]);
    if (ages && ages[i] !== 255) rows.push([text.age, ageText(ages[i])]);
    if (tiers && tiers[i] !== 255) rows.push([text.tier, data.tiers[tiers[i]]]);
    if (segment.offer) rows.push([text.offer, segment.offer]);
    return rows;
  }
  function focus(i) {
    if (i === focused) return;
    focused = i;
    tip.hidden = i < 0;
    tip.replaceChildren();
    if (i >= 0) {
      const list = document.createElement('dl');
      for (const [name, value] of facts(i)) {
        list.append(Object.assign(document.createElement('dt'), { textContent: name }),
          Object.assign(document.createElement('dd'), { textContent: value }));
      }
      tip.append(list);
      const x = toX(xAxis.points[i]), y = toY(yAxis.points[i]);
      const left = x + 14 + tip.offsetWidth > width ? x - 14 - tip.offsetWidth : x + 14;
      tip.style.left = Math.max(left, 0) + 'px';
      tip.style.top = Math.min(Math.max(y - tip.offsetHeight / 2, 0), height - tip.offsetHeight) + 'px';
    }
    refresh();
  }

  // ---- Zoom, pan, select --------------------------------------------------------------------------
  function zoom(factor, px = margin.left + plotWidth() / 2, py = margin.top + plotHeight() / 2) {
    const x = fromX(px), y = fromY(py);
    xAxis.low = x - (x - xAxis.low) / factor; xAxis.high = x + (xAxis.high - x) / factor;
    yAxis.low = y - (y - yAxis.low) / factor; yAxis.high = y + (yAxis.high - y) / factor;
    focus(-1);
    redraw();
  }
  function reset() { axes.forEach(home); focus(-1); redraw(); }

  const at = event => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const pointers = new Map();
  let selecting = false;

  canvas.addEventListener('pointerdown', event => {
    const position = at(event);
    pointers.set(event.pointerId, position);
    canvas.setPointerCapture(event.pointerId);
    if ((selecting || event.shiftKey) && pointers.size === 1) lasso = [position];
  });
  canvas.addEventListener('pointermove', event => {
    const [px, py] = at(event), before = pointers.get(event.pointerId);
    if (!before) { focus(inside(px, py) ? pick(px, py, 12) : -1); return; }
    if (lasso) {
      lasso.push([px, py]);
      refresh();
    } else if (pointers.size === 2) {
      const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, p]) => p);
      const spread = p => Math.hypot(p[0] - other[0], p[1] - other[1]);
      if (spread(before) > 8) zoom(spread([px, py]) / spread(before), other[0], other[1]);
    } else if (Math.hypot(px - before[0], py - before[1]) > 0) {
      canvas.classList.add('pan');
      const dx = fromX(before[0]) - fromX(px), dy = fromY(before[1]) - fromY(py);
      xAxis.low += dx; xAxis.high += dx; yAxis.low += dy; yAxis.high += dy;
      focus(-1);
      redraw();
    }
    pointers.set(event.pointerId, [px, py]);
  });
  function release(event) {
    pointers.delete(event.pointerId);
    canvas.classList.remove('pan');
    if (lasso) {
      if (event.type === 'pointerup') choose(lasso);
      lasso = null;
      redraw();
    } else if (event.type === 'pointerup' && event.pointerType === 'touch') {
      focus(pick(...at(event), 24));
    }
  }
  canvas.addEventListener('pointerup', release);
  canvas.addEventListener('pointercancel', release);
  canvas.addEventListener('pointerleave', event => { if (!pointers.size && event.pointerType === 'mouse') focus(-1); });
  canvas.addEventListener('dblclick', event => zoom(2, ...at(event)));
  // A wheel scrolls the page until the picture has the keyboard's focus.
  canvas.addEventListener('wheel', event => {
    if (document.activeElement !== canvas && !event.ctrlKey) return;
    event.preventDefault();
    zoom(2 ** (-event.deltaY / 300), ...at(event));
  }, { passive: false });

  /** Even-odd rule. */
  function contains(polygon, x, y) {
    let isInside = false;
    for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
      const [xi, yi] = polygon[i], [xj, yj] = polygon[j];
      if (yi > y !== yj > y && x < (xj - xi) * (y - yi) / (yj - yi) + xi) isInside = !isInside;
    }
    return isInside;
  }
  function choose(polygon) {
    selected = polygon.length > 2 ? new Uint8Array(n) : null;
    for (let i = 0; selected && i < n; i++)
      if (mode !== 'density' && !hidden[labels[i]] && inside(screenX[i], screenY[i]) && contains(polygon, screenX[i], screenY[i])) selected[i] = 1;
    showSelection();
  }
  function showSelection() {
    const line = $('picked');
    line.replaceChildren();
    if (!selected) { line.hidden = true; return; }
    const counts = segments.map(() => 0);
    let all = 0;
    for (let i = 0; i < n; i++) if (selected[i]) { counts[labels[i]]++; all++; }
    const parts = segments.map((s, label) => [counts[label], s]).filter(([count]) => count)
      .map(([count, s]) => `${s.id} ${s.name}: ${number(count)}`);
    line.append(`${text.selected}: ${number(all)}${parts.length ? ' (' + parts.join(', ') + ')' : ''} `);
    if (all) {
      const button = document.createElement('button');
      button.type = 'button';
      button.id = 'csv';
      button.textContent = text.csv;
      button.onclick = () => save(new Blob([csv()], { type: 'text/csv' }), 'customers.csv');
      line.append(button);
    }
    line.hidden = false;
  }

  /** Quoted where needed; a text that a spreadsheet would run as a formula starts with an apostrophe. */
  function cell(value) {
    let safe = String(value);
    if (/^[\s"';,|]*[=+\-@\t\r＝＋－＠]/u.test(safe) && !/^-?\d+(\.\d+)?$/.test(safe)) safe = "'" + safe;
    return /[",;\r\n\t]/.test(safe) ? '"' + safe.replace(/"/g, '""') + '"' : safe;
  }
  function csv() {
    const lines = [[...(idBytes ? ['customer_id'] : []), 'segment_id', 'segment_name', xAxis.name, yAxis.name,
      ...(ages ? ['age'] : []), ...(tiers ? ['tier'] : []), 'offer']];
    for (let i = 0; i < n; i++) {
      if (!selected || !selected[i]) continue;
      const segment = segments[labels[i]];
      lines.push([...(idBytes ? [idOf(i)] : []), segment.id, segment.name, xAxis.values[i], yAxis.values[i],
        ...(ages ? [ages[i] === 255 ? '' : ageText(ages[i])] : []),
        ...(tiers ? [tiers[i] === 255 ? '' : data.tiers[tiers[i]]] : []), segment.offer]);
    }
    return '\ufeff' + lines.map(line => line.map(cell).join(',') + '\r\n').join('');
  }
  function save(blob, name) {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  // ---- Controls -------------------------------------------------------------------------------------
  $('tools').hidden = false;
  $('layer').onchange = event => { mode = event.target.value; focus(-1); redraw(); };
  axes.forEach((axis, dimension) => {
    const box = $(dimension ? 'log-y' : 'log-x');
    box.checked = axis.log;
    box.onchange = () => { axis.log = box.checked; focus(-1); rescale(axis); redraw(); };
  });
  $('zoom-in').onclick = () => zoom(1.5);
  $('zoom-out').onclick = () => zoom(1 / 1.5);
  $('reset').onclick = () => { selected = null; showSelection(); reset(); };
  $('select').onclick = event => {
    selecting = !selecting;
    event.target.setAttribute('aria-pressed', selecting);
    canvas.style.touchAction = selecting ? 'none' : '';
  };
  $('png').onclick = () => canvas.toBlob(blob => save(blob, 'customers.png'));
  for (const button of document.querySelectorAll('#legend button')) {
    button.onclick = () => {
      const label = +button.dataset.label;
      hidden[label] ^= 1;
      button.setAttribute('aria-pressed', !hidden[label]);
      focus(-1);
      redraw();
    };
  }

  function find(query) {
    const wanted = new TextEncoder().encode(query);
    search: for (let i = 0; i < n; i++) {
      if (idStart[i + 1] - idStart[i] !== wanted.length) continue;
      for (let k = 0; k < wanted.length; k++) if (idBytes[idStart[i] + k] !== wanted[k]) continue search;
      return i;
    }
    return -1;
  }
  const box = $('find');
  if (box) box.onchange = () => {
    const query = box.value.trim(), i = query ? find(query) : -1;
    box.setCustomValidity(query && i < 0 ? text.notInSample : '');
    box.reportValidity();
    if (i < 0) { focus(-1); return; }
    if (hidden[labels[i]]) document.querySelector(`#legend button[data-label="${labels[i]}"]`).click();
    if (!inside(toX(xAxis.points[i]), toY(yAxis.points[i]))) reset();
    if (mode === 'density') { mode = $('layer').value = 'both'; }
    focus(i);
  };
  if (box) box.oninput = () => box.setCustomValidity('');

  // ---- Keyboard: arrows walk to the nearest point that way -------------------------------------------
  const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  canvas.addEventListener('keydown', event => {
    const way = ways[event.key];
    if (way) {
      let best = -1, nearest = Infinity;
      const x = focused < 0 ? margin.left + plotWidth() / 2 : screenX[focused];
      const y = focused < 0 ? margin.top + plotHeight() / 2 : screenY[focused];
      for (let k = 0; k < starts[starts.length - 1]; k++) {
        const i = order[k], dx = screenX[i] - x, dy = screenY[i] - y;
        const ahead = dx * way[0] + dy * way[1], aside = Math.abs(dx * way[1]) + Math.abs(dy * way[0]);
        // Steps of at least 4 pixels, within a cone: dense clouds are crossed, not crawled.
        if (focused >= 0 && (ahead < 4 || aside > ahead)) continue;
        const cost = dx * dx + dy * dy;
        if (cost < nearest) { nearest = cost; best = i; }
      }
      if (best >= 0) focus(best);
    } else if (event.key === '+' || event.key === '=') zoom(1.5);
    else if (event.key === '-') zoom(1 / 1.5);
    else if (event.key === '0') reset();
    else if (event.key === 'Escape') { selected = null; showSelection(); focus(-1); redraw(); }
    else return;
    event.preventDefault();
  });

  // ---- Life ---------------------------------------------------------------------------------------------
  new ResizeObserver(resize).observe(stage);
  addEventListener('themechange', redraw);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
  let theme;
  addEventListener('beforeprint', () => { theme = root.dataset.theme; root.dataset.theme = 'light'; stale = true; draw(); });
  addEventListener('afterprint', () => { if (theme) root.dataset.theme = theme; else delete root.dataset.theme; redraw(); });
  resize();
})();
