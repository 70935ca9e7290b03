% rebase("base.tpl", script="search.js")
<h1 id="heading">{{f"Projects for “{q}”" if q else "Projects"}}</h1>
<p class="soft" id="count" aria-live="polite">{{total}}{{" found" if q else ""}}{{f", page {number} of {last}" if last > 1 else ""}}</p>
<div id="found">
% if behind:
<div class="notice" role="status"><p>The list is being brought up to date. What was uploaded a moment ago may be missing here; installers see it already.</p></div>
% end
% if found:
<ul class="list">
% for one, day, iso in found:
  <li>
    <div class="row"><div class="what"><a class="name" href="{{url(f"projects/{one.project}/")}}">{{one.name}} <span class="version">{{one.version}}</span></a>
% if one.status != "active":
    <span class="tag {{"bad" if one.status == "quarantined" else "warn"}}">{{one.status}}</span>
% end
    </div>
    <time class="soft small nowrap" datetime="{{iso}}">{{day}}</time></div>
% if one.summary:
    <p class="soft summary">{{one.summary}}</p>
% end
  </li>
% end
</ul>
% elif q:
<p>No project here has a name, a summary, keywords or import names with {{"all of these words" if " " in q else "this word"}}. The beginning of a word is enough.</p>
<p><a href="{{url("projects/")}}">All projects</a></p>
% else:
<p>Nothing has been uploaded yet. <a href="{{root}}">How to upload</a></p>
% end
% if last > 1:
<nav class="pages" aria-label="Pages">
% if number > 1:
  <a rel="prev" href="{{url("projects/", q=q, page=number - 1)}}">← Page {{number - 1}}</a>
% else:
  <span></span>
% end
  <form action="{{url("projects/")}}" method="get">
% if q:
    <input type="hidden" name="q" value="{{q}}">
% end
    <label class="inline" for="page">Page</label>
    <input id="page" class="short" name="page" inputmode="numeric" value="{{number}}" maxlength="6"> <span class="soft nowrap">of {{last}}</span>
    <button type="submit">Go</button>
  </form>
% if number < last:
  <a rel="next" href="{{url("projects/", q=q, page=number + 1)}}">Page {{number + 1}} →</a>
% else:
  <span></span>
% end
</nav>
% end
</div>
