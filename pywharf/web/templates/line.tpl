<code class="copy">\\
% for number, word in enumerate(line.split(" ")):
{{" " if number else ""}}<span>\\
% for part in parts_of(word):
{{part}}<wbr>\\
% end
</span>\\
% end
</code>
