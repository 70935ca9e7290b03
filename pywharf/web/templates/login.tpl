% rebase("base.tpl")
<div class="narrow">
<h1>Log in</h1>
% if problem:
<div class="notice bad" role="alert" id="problem"><p>{{problem}}</p></div>
% end
<form method="post" action="{{url("login/")}}">
  <input type="hidden" name="form_token" value="{{form_token}}">
  <input type="hidden" name="next" value="{{following}}">
  <div class="field">
    <label for="name">Repository</label>
    <input id="name" name="pkg_repo_name" value="{{name}}" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="64" required {{"" if name else "autofocus"}}>
    <p class="hint">The same name that stands before the secret in your index URL.</p>
  </div>
  <div class="field">
    <label for="secret">Secret</label>
    <input id="secret" name="pkg_repo_secret_raw" type="password" autocomplete="current-password" maxlength="4000" required {{"autofocus" if name else ""}}>
    <p class="hint">With one that may only read you can look around; with one that may write you can also yank and delete.</p>
  </div>
  <p><button class="primary" type="submit">Log in</button></p>
</form>
</div>
