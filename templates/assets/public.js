// Writes the reader's own time beside every moment of a page. The page is whole
// without it. It sends nothing and keeps nothing.
(function () {
  "use strict";
  var root = document.documentElement;
  var language = root.lang === "es" ? "es-US" : root.lang;
  var times = document.querySelectorAll("time[datetime*='T']");
  var options = { weekday: "long", month: "long", day: "numeric", hour: "numeric", minute: "2-digit", timeZoneName: "short" };
  for (var i = 0; i < times.length; i++) {
    var text = times[i].getAttribute("datetime");
    var at = new Date(text);
    // Minutes ahead of UTC: of the moment as it is written, and of the reader.
    var zone = /([+-])(\d\d):(\d\d)$/.exec(text);
    var there = zone ? (zone[1] === "-" ? -1 : 1) * (60 * zone[2] + 1 * zone[3]) : 0;
    if (-at.getTimezoneOffset() === there) { continue; }
    var own = document.createElement("span");
    own.className = "own";
    own.textContent = " " + root.getAttribute("data-own").replace("{time}", at.toLocaleString(language, options));
    times[i].parentNode.insertBefore(own, times[i].nextSibling);
  }
})();
