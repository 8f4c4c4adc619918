using System.ComponentModel;
using System.Diagnostics;
using System.Text.RegularExpressions;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;

namespace CondDiffusion.MLNet.Tests.Docs;

/// <summary>Runs the code of docs/model-files.md.</summary>
[TestClass]
public sealed partial class ModelFilesTests
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

    [TestMethod]
    public void Python_AsItStands_ReadsWeightsAndWritesOthers()
    {
        using var directory = new DocsDirectory();
        var ml = new MLContext(seed: 1);
        using var model = Tiny.Create(ml);
        File.WriteAllBytes("digits.zip", ModelZip.Save(ml, model));
        var block = PythonBlock().Match(Repository.Read("docs/model-files.md")).Groups["content"].Value;
        File.WriteAllText("program.py", block + """
            weights = read("digits.zip")
            for _, values in weights.values():
                for i, value in enumerate(values):
                    values[i] = 2 * value
            write("digits.zip", dict(sorted(weights.items(), reverse=True)), "doubled.zip")

            """);
        RunPython("program.py");

        using var doubled = (ConditionalDiffusionTransformer)ModelZip.Load(ml, File.ReadAllBytes("doubled.zip"));
        Assert.AreSequenceEqual(Weights(model).Select(weight => 2 * weight), Weights(doubled));

        static float[] Weights(ConditionalDiffusionTransformer model)
        {
            float[] weights = [];
            model.Generator.UseNetwork(network =>
                weights = [.. network.Parameters.data<float>(), .. network.Buffers.data<float>()]);
            return weights;
        }
    }

    private static void RunPython(string program)
    {
        Process process;
        try
        {
            process = Process.Start(new ProcessStartInfo("python3", [program]) { RedirectStandardError = true })!;
        }
        catch (Win32Exception)
        {
            Assert.Inconclusive("There is no python3 here.");
            return;
        }

        using (process)
        {
            var errors = process.StandardError.ReadToEnd();
            process.WaitForExit();
            Assert.AreEqual(0, process.ExitCode, errors);
        }
    }

    [GeneratedRegex(@"^```python\n(?<content>(?s:.*?))^```$", RegexOptions.Multiline)]
    private static partial Regex PythonBlock();
}
