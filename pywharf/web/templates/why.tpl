% rebase("base.tpl")
<p class="crumb"><a href="{{url(f"projects/{project}/")}}">{{project}}</a></p>
<h1>Why {{version}} is offered, or not</h1>
<p class="lead">What installers are told of each file of this release, and what they make of it.</p>
% for sentence in general:
<div class="notice warn"><p>{{sentence}}</p></div>
% end
% for file in files:
<section class="card">
  <h2 class="filename">{{file.filename}}</h2>
  <p><span class="tag {{{"offered": "good", "on request": "warn", "not offered": "bad"}[file.verdict]}}">{{file.verdict}}</span></p>
  <ul>
% for sentence in file.sentences:
    <li>{{sentence}}</li>
% end
  </ul>
</section>
% end
% if has_page:
<p><a href="{{url(f"projects/{project}/{version}/")}}">Release {{version}}</a></p>
% end
