// Two clocks, to see connections end when the gate ends them. They do not come
// back by themselves: load the page again.
const show = (id, state, text) => {
	const place = document.getElementById(id);
	place.className = state;
	place.textContent = text;
};
const ended = (id) => show(id, "ended", "ended at " + new Date().toISOString().slice(11, 19) + " UTC");

const socket = new WebSocket((location.protocol === "https:" ? "wss://" : "ws://") + location.host + "/clock");
socket.onmessage = (event) => show("clock", "open", event.data);
socket.onclose = () => ended("clock");

const events = new EventSource("/events");
events.onmessage = (event) => show("events", "open", event.data);
events.onerror = () => { events.close(); ended("events"); };
