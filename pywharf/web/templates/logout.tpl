% rebase("base.tpl")
<div class="narrow">
<h1>Log out?</h1>
<p>Another site sent you here. If you want to log out, say so.</p>
<form method="post" action="{{url("logout/")}}">
  <input type="hidden" name="form_token" value="{{form_token}}">
  <p class="actions"><button class="primary" type="submit">Log out</button> <a href="{{root}}">Stay logged in</a></p>
</form>
</div>
