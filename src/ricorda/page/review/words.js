// Coloured words, and under the pointer or the keyboard's focus: a word's numbers, and what later words still hold of it.
// Vue writes texts as texts, so nothing that somebody typed becomes HTML.
export default {
  template: `
    <div class="review-words">
      <p class="text" :lang="language">
        <span v-if="before">… </span>
        <template v-for="(word, at) in words" :key="at">
          <span
            class="word" tabindex="0" role="button" :aria-pressed="String(word.dropped)" :aria-label="spoken(word)"
            :class="{ for: word.strength > 0, against: word.strength < 0, dropped: word.dropped, unknown: word.unknown,
                      shown: at === shown }"
            :style="{ '--strength': Math.abs(word.strength).toFixed(3) }"
            :data-value="word.dropped ? null : word.value.toFixed(3)"
            @mouseenter="shown = at" @mouseleave="shown = null" @focus="shown = at" @blur="shown = null"
            @click="toggle(word)" @keydown.enter.prevent="toggle(word)" @keydown.space.prevent="toggle(word)"
          >{{ word.text }}<sup aria-hidden="true">{{ word.marks }}</sup><span
            v-if="left(word) !== null" class="left" aria-hidden="true"
          ><span class="bar" :style="{ width: left(word) + '%' }"></span>{{ left(word) }}%</span></span>{{ " " }}
        </template>
        <span v-if="after"> …</span>
      </p>
      <div class="panel" aria-live="polite">
        <template v-if="current">
          <b>{{ current.text }}</b>
          <span v-if="current.dropped">{{ labels.dropped }}</span>
          <span v-for="(number, name) in current.numbers" :key="name" :data-number="name">
            {{ labels[name] || name }} <b>{{ number }}</b></span>
          <span v-if="gone">{{ gone }}</span>
        </template>
        <template v-else>{{ labels.point }}</template>
      </div>
    </div>`,
  props: { words: Array, labels: Object, before: Boolean, after: Boolean, language: String },
  data() {
    return { shown: null };
  },
  watch: {
    words() {
      if (this.shown !== null && this.shown >= this.words.length) this.shown = null;
    },
  },
  computed: {
    current() {
      return this.shown === null ? null : this.words[this.shown];
    },
    gone() {
      const { place, held } = this.current;
      const half = held.findIndex((share, at) => at > place && share < 50);
      return half < 0 ? "" : this.labels.half.replace("{words}", half - place);
    },
  },
  methods: {
    left(word) {
      if (!this.current || this.current.dropped || word.dropped || word === this.current) return null;
      const share = this.current.held[word.place];
      return share ? share : null;
    },
    spoken(word) {
      return word.dropped ? `${word.text}: ${this.labels.dropped}` : `${word.text}: ${word.value.toFixed(3)}`;
    },
    toggle(word) {
      if (word.start !== null) this.$emit("toggle", [word.start, word.stop]);
    },
  },
};
