using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;

namespace CondDiffusion.MLNet.Tests.Docs;

/// <summary>Runs the code of docs/model-files.md.</summary>
[TestClass]
public sealed class ModelFilesTests
{
    [TestMethod]
    public void LoadOrExplain_AsItStands_SaysWhatIsWrong()
    {
        using var directory = new DocsDirectory();
        var ml = new MLContext(seed: 1);
        (DocsDirectory.SaveModel(ml) as IDisposable)!.Dispose();
        var zip = new ModelZip(File.ReadAllBytes("digits.zip"));
        zip.Remove(ModelZip.Weights);
        File.WriteAllBytes("digits.zip", zip.ToBytes());
        using var output = new StringWriter();
        var previous = Console.Error;
        Console.SetError(output);
        try
        {
            // snippet: explain
            try
            {
                ITransformer model = ml.Model.Load("digits.zip", out _);
            }
            catch (Exception exception) when (exception.GetBaseException() is FormatException reason)
            {
                Console.Error.WriteLine(reason.Message);
            }
            // end
        }
        finally
        {
            Console.SetError(previous);
        }
        Assert.Contains("entry 'weights.safetensors' is missing", output.ToString());
    }
}
