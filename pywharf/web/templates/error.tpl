% rebase("base.tpl")
<div class="narrow">
<p class="eyebrow">{{status}}</p>
<h1>{{title}}</h1>
<p class="lead">{{sentence}}</p>
<p><a href="{{root}}">Back to the first page</a></p>
</div>
