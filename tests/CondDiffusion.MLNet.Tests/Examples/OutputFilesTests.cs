using CondDiffusion.Examples;
using CondDiffusion.MLNet.Tests.Support;

namespace CondDiffusion.MLNet.Tests.Examples;

[TestClass]
public sealed class OutputFilesTests
{
    [TestMethod]
    public void Write_WriterThatFailsHalfway_LeavesTheFileAsItWas()
    {
        using var directory = new TemporaryDirectory();
        var file = directory.File("model.zip");
        File.WriteAllText(file, "before");
        Throws.Saying<IOException>(
            () => OutputFiles.Write(file, temporary =>
            {
                File.WriteAllText(temporary, "half");
                throw new IOException("The disk is full.");
            }),
            "The disk is full.");
        Assert.AreEqual("before", File.ReadAllText(file));
        Assert.AreSequenceEqual([file], Directory.GetFiles(directory.Path));
    }
}
