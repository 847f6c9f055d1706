/*
 * The console keeps up with what happens: every two seconds, while somebody can
 * see it, what is new takes the place of what is shown.  A button stops that.
 */
(function () {
	"use strict";

	var button = document.getElementById("live");
	var live = true;
	var busy = false;

	function label() {
		button.textContent = live ? "Pause" : "Go on";
		button.setAttribute("aria-label", live ? "Pause the updates of this page" : "Go on updating this page");
	}

	/* What the user has opened, and where the focus is, stays so. */
	function replace(main, fresh) {
		var open = Array.prototype.map.call(main.querySelectorAll("details[open]"), function (details) {
			return details.id;
		});
		var active = document.activeElement;
		var place = main.contains(active) ? Array.prototype.indexOf.call(main.querySelectorAll("a, button, select, summary"), active) : -1;

		open.forEach(function (id) {
			var details = fresh.querySelector("#" + id);

			if (details)
				details.open = true;
		});
		main.replaceWith(fresh);
		if (place >= 0 && fresh.querySelectorAll("a, button, select, summary")[place])
			fresh.querySelectorAll("a, button, select, summary")[place].focus({preventScroll: true});
	}

	function update() {
		if (!live || busy || document.hidden)
			return;
		busy = true;
		fetch(location.href, {cache: "no-store"}).then(function (answer) {
			return answer.ok ? answer.text() : Promise.reject(new Error(answer.status));
		}).then(function (text) {
			var fresh = new DOMParser().parseFromString(text, "text/html").querySelector("main");
			var main = document.querySelector("main");
			var chosen = document.activeElement && document.activeElement.tagName === "SELECT";

			document.body.classList.remove("stale");
			if (live && fresh && !chosen && fresh.innerHTML !== main.getAttribute("data-shown")) {
				var shown = fresh.innerHTML;

				replace(main, fresh);
				fresh.setAttribute("data-shown", shown);
			}
		}).catch(function () {
			document.body.classList.add("stale");
		}).then(function () {
			busy = false;
		});
	}

	button.hidden = false;
	button.addEventListener("click", function () {
		live = !live;
		label();
		update();
	});
	label();
	setInterval(update, 2000);
})();
