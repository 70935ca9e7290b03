% rebase("base.tpl")
<div class="middle">
<p class="eyebrow">{{status}}</p>
<h1>Not found</h1>
<p class="lead">{{said}}</p>
<p>{{more_said}}</p>
<ul>
% if version:
  <li><a href="{{url(f"projects/{project}/")}}">Project {{project}}</a></li>
  <li><a href="{{url(f"projects/{project}/{version}/why/")}}">Why release {{version}} is not offered</a></li>
% else:
  <li><a href="{{url("projects/", q=project)}}">Search for {{project}}</a></li>
% end
  <li><a href="{{url("projects/")}}">All projects</a></li>
</ul>
</div>
