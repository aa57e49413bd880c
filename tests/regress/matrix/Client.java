// A command by JSch, as a program on it would do it: Client WAY PORT USER KEY OP ARGUMENT... (library.py has the words; `jump` and
// transfers are not tried, since it does not come as far as signing in).
import com.jcraft.jsch.ChannelExec;
import com.jcraft.jsch.JSch;
import com.jcraft.jsch.JSchException;
import com.jcraft.jsch.Session;

public class Client {
    public static void main(String[] args) throws Exception {
        if (args[4].equals("version")) {
            System.out.println("JSch " + JSch.VERSION + " (Java " + System.getProperty("java.version") + ")");
            return;
        }
        try {
            JSch library = new JSch();
            library.addIdentity(args[3]);
            Session session = library.getSession(args[2], "127.0.0.1", Integer.parseInt(args[1]));
            session.setConfig("StrictHostKeyChecking", "no");
            session.connect(30000);
            ChannelExec channel = (ChannelExec) session.openChannel("exec");
            channel.setCommand(args[5]);
            channel.setPty(args[4].equals("pty"));
            channel.setInputStream(System.in);
            channel.setErrStream(System.err, true);
            java.io.InputStream out = channel.getInputStream();
            channel.connect(30000);
            out.transferTo(System.out);
            System.out.flush();
            while (!channel.isClosed()) {
                Thread.sleep(10);
            }
            System.exit(channel.getExitStatus());
        } catch (JSchException error) {
            System.err.println(error.getMessage());
            System.exit(255);
        }
    }
}
