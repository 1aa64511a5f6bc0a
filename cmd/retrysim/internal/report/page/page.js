(function () {
  'use strict';
  var copy = document.getElementById('copy');
  if (copy) {
    copy.hidden = false;
    copy.addEventListener('click', function () {
      var code = document.getElementById('command');
      var done = function () { copy.textContent = 'Copied'; };
      if (navigator.clipboard) { navigator.clipboard.writeText(code.textContent).then(done, select); } else { select(); }
      function select() {
        var range = document.createRange();
        range.selectNodeContents(code);
        getSelection().removeAllRanges();
        getSelection().addRange(range);
      }
    });
  }
  var source = document.getElementById('charts');
  if (!source || typeof uPlot === 'undefined') { return; }
  var charts = JSON.parse(source.textContent);
  var live = [];
  document.querySelectorAll('figure[data-chart]').forEach(function (figure) {
    live.push({ figure: figure, chart: charts[Number(figure.dataset.chart)], plot: null });
  });

  // The steps of an axis of time, in seconds: those that people count in.
  var steps = [1e-3, 2e-3, 5e-3, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400];

  function css(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }

  function time(v) {
    if (v === 0) { return '0s'; }
    if (v < 1) { return +(v * 1000).toPrecision(4) + 'ms'; }
    if (v < 60) { return +v.toPrecision(4) + 's'; }
    var m = Math.floor(v / 60), s = Math.round(v - m * 60);
    if (m < 60) { return m + 'm' + (s ? s + 's' : ''); }
    return Math.floor(m / 60) + 'h' + (m % 60 ? m % 60 + 'm' : '');
  }

  function shade(chart) {
    return function (u) {
      var c = u.ctx;
      c.save();
      chart.faults.forEach(function (f) {
        var a = Math.max(u.valToPos(f.from, 'x', true), u.bbox.left);
        var b = Math.min(u.valToPos(f.to, 'x', true), u.bbox.left + u.bbox.width);
        if (b <= a) { return; }
        c.fillStyle = 'rgba(136,136,136,.2)';
        c.fillRect(a, u.bbox.top, b - a, u.bbox.height);
        c.fillStyle = css('--dim');
        c.font = 12 * devicePixelRatio + 'px system-ui, sans-serif';
        c.textBaseline = 'top';
        c.fillText(f.name, b + 4, u.bbox.top + 4);
      });
      c.restore();
    };
  }

  function draw(item) {
    var chart = item.chart, box = item.figure.querySelector('.live');
    var shown = item.plot ? item.plot.series.map(function (s) { return s.show; }) : null;
    if (item.plot) { item.plot.destroy(); }
    var xs = chart.x_label ? String : time;
    var tables = chart.lines.map(function (l) { return [l.x, l.y]; });
    var ends = [Infinity, -Infinity];
    chart.lines.forEach(function (l) { l.x.forEach(function (x) { ends = [Math.min(ends[0], x), Math.max(ends[1], x)]; }); });
    chart.levels.forEach(function (l) { tables.push([ends, [l.y, l.y]]); });
    var axis = { stroke: css('--dim'), grid: { stroke: css('--line'), width: 1 }, ticks: { stroke: css('--line') } };
    var series = [{ label: chart.x_label || 'time', value: function (u, v) { return v == null ? '' : xs(v); } }];
    chart.lines.forEach(function (l) {
      series.push({ label: l.name, stroke: l.color, width: 2, dash: l.dashed ? [6, 4] : undefined, spanGaps: true });
    });
    chart.levels.forEach(function (l) {
      series.push({ label: l.name, stroke: css('--dim'), width: 1.5, dash: [6, 4], spanGaps: true, points: { show: false } });
    });
    if (shown) { series.forEach(function (s, i) { s.show = shown[i]; }); }
    box.hidden = false;
    item.figure.classList.add('drawn');
    item.plot = new uPlot({
      title: chart.title, width: item.figure.clientWidth, height: 320, series: series,
      scales: { x: { time: false }, y: { range: function (u, lo, hi) { return [0, hi > 0 ? hi * 1.05 : 1]; } } },
      axes: [
        Object.assign({ values: function (u, v) { return v.map(xs); }, incrs: chart.x_label ? undefined : steps }, axis),
        Object.assign({ label: chart.y_label, size: 64 }, axis),
      ],
      hooks: { drawClear: [shade(chart)] },
    }, uPlot.join(tables), box);
  }

  function all() { live.forEach(draw); }
  all();
  // A figure that is given another width is drawn anew.
  new ResizeObserver(function () {
    live.forEach(function (item) { if (item.plot.width !== item.figure.clientWidth) { draw(item); } });
  }).observe(document.querySelector('main'));
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', all);
})();
