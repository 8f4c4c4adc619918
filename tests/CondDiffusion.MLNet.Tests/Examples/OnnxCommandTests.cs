using CondDiffusion.Examples;
using CondDiffusion.MLNet.Tests.Onnx;

namespace CondDiffusion.MLNet.Tests.Examples;

[TestClass]
public sealed class OnnxCommandTests
{
    [TestMethod]
    public void Run_ModelFile_WritesItsOnnxFile()
    {
        using var model = new OnnxModel(OnnxModel.Description);
        var expected = File.ReadAllBytes(model.Save());
        var (zip, file) = (model.File("model.zip"), model.File("other.onnx"));
        model.Ml.Model.Save(model.Transformer, null, zip);

        OnnxCommand.Run(["--model", zip, "--out", file]);
        Assert.AreSequenceEqual(expected, File.ReadAllBytes(file));
        Assert.ThrowsExactly<UsageException>(() => OnnxCommand.Run(["--model", zip]));
    }
}
